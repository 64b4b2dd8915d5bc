"""The request and the response that ``pre_request``, ``post_request`` and a logger's ``access`` are given."""

from __future__ import annotations

from collections.abc import Iterable
from http.client import responses
from typing import Any

from logserve.logs.access.exchange import Exchange


class RequestView:
    """A request, with the attributes of gunicorn's.

    :param exchange: its request line, header fields and client.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.method = exchange.method
        self.uri = exchange.target
        self.path, _, rest = exchange.target.partition("?")
        self.query, _, self.fragment = rest.partition("#")
        self.version = (1, 0) if exchange.version == "1.0" else (1, 1)
        self.headers = [(_field_name(name), value) for name, value in exchange.fields.items()]
        self.trailers: list[tuple[str, str]] = []
        self.scheme = "http"
        self.peer_addr: tuple[str, int] | str = exchange.ends[:2]
        self.remote_addr = self.peer_addr
        self.proxy_protocol_info: dict[str, Any] | None = None
        self.req_number = exchange.number

    @property
    def body(self) -> Any:
        """The body, as the application has it: what one has read the other does not see."""
        environ = self._exchange.environ
        return environ["wsgi.input"] if environ else None

    def should_close(self) -> bool:
        """Whether the client asked for the connection's end."""
        options = self._exchange.fields.get("HTTP_CONNECTION", "").lower()
        if "close" in options:
            return True
        return self.version == (1, 0) and "keep-alive" not in options

    def __repr__(self) -> str:
        return f"<request {self.method} {self.uri}>"


class ResponseView:
    """A response, with the attributes of gunicorn's.

    :param exchange: its status, headers and size, as far as there was an answer.
    :param request: the request that it answers.
    """

    def __init__(self, exchange: Exchange, request: RequestView) -> None:
        code = exchange.status
        self.req = request
        self.status_code = code
        self.status = f"{code} {responses.get(code, '')}".rstrip() if code else "0"
        self.headers: Iterable[tuple[str, str]] = list(exchange.response_headers)
        self.headers_sent = bool(code)
        self.sent = exchange.body_sent
        self.version = "logserve"
        self.upgrade = False
        lengths = [value for name, value in self.headers if name.lower() == "content-length"]
        self.response_length = int(lengths[0]) if lengths and lengths[0].isdigit() else None
        self.chunked = bool(code) and self.response_length is None and request.version == (1, 1)
        self.must_close = request.should_close()

    def is_chunked(self) -> bool:
        """Whether the body was sent in chunks."""
        return self.chunked

    def should_close(self) -> bool:
        """Whether the connection ends with this response."""
        return self.must_close

    def __repr__(self) -> str:
        return f"<response {self.status}>"


def _field_name(name: str) -> str:
    """``HTTP_USER_AGENT`` as gunicorn has it: ``USER-AGENT``."""
    return name.removeprefix("HTTP_").replace("_", "-")
