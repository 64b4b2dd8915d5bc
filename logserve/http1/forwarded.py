"""What a proxy in front says in header fields, and when it is believed.

A field is only believed where the connection's other end is on the list of trusted addresses: anybody can send any
field. Then these count:

- one field with the addresses that the request came through (``X-Forwarded-For``, or RFC 7239's ``Forwarded``, or one
  with a single address such as ``X-Real-IP``). Each proxy appends the address that it was called from, so the list is
  read from the right, and the client is *the right-most address that is not trusted*. What stands further left was
  sent by that client, who may have made it up. Where the list of trusted addresses is ``*``, the right-most address is
  the client: the one that the proxy in front has seen itself;
- the fields that say https (gunicorn's ``secure_scheme_headers``), and the ``proto`` of the right-most element of
  ``Forwarded`` where that is the field of addresses;
- fields with an underscore in their name which the proxy may set (``forwarder_headers``). From anybody else they are
  left out, because an application could not tell ``X_Real_IP`` from ``X-Real-IP`` (``header_map``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from logserve.http1 import grammar, rules
from logserve.http1.request import Request, cgi_name
from logserve.http1.trust import AllowList, packed

Address = tuple[str, int]
"""A client's address and port; the port is 0 where it is not known."""

DROP: Final = "drop"
REFUSE: Final = "refuse"
DANGEROUS: Final = "dangerous"

FORWARDED: Final = "HTTP_FORWARDED"
SCHEME: Final = "wsgi.url_scheme"
SCRIPT_NAME: Final = "SCRIPT_NAME"
ALL: Final = "*"

_NODE: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]{2,45})\]|([0-9.]{7,15}))(?::([0-9]{1,5}))?")
"""node, RFC 7239 section 6, where it is an address."""
_QUOTED: Final = r'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_PAIR: Final = re.compile(rf"[ \t]*({grammar.TOKEN.pattern})=({grammar.TOKEN.pattern}|{_QUOTED})[ \t]*")
"""forwarded-pair, RFC 7239 section 4, with the white space that real senders put around it."""
_ESCAPED: Final = re.compile(r"\\(.)")


def node_address(text: str) -> Address | None:
    """The address of one hop, None for what names none: ``unknown``, an obfuscated name, garbage.

    ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` and ``[2001:db8::1]:80`` are understood.
    """
    match = _NODE.fullmatch(text)
    if match is None:
        return (text, 0) if ":" in text and packed(text) is not None and "%" not in text else None
    address = match[1] or match[2]
    port = int(match[3] or 0)
    if port > 65535 or packed(address) is None or (match[1] is not None and ":" not in address):
        return None
    return address, port


def read_forwarded(value: str) -> list[dict[str, str]] | None:
    """The elements of a ``Forwarded`` field, its lines joined by commas (RFC 7239 section 4), left to right.

    Names are in lower case, values without their quotes. None where it is malformed, or a name comes twice in an
    element: nothing in it is believed then.
    """
    elements: list[dict[str, str]] = [{}]
    position = 0
    while position < len(value):
        match = _PAIR.match(value, position)
        if match is not None:
            name, text = match[1].lower(), match[2]
            if name in elements[-1]:
                return None
            elements[-1][name] = _ESCAPED.sub(r"\1", text[1:-1]) if text[0] == '"' else text
            position = match.end()
            if position == len(value):
                break
        separator = value[position]
        if separator == ",":
            elements.append({})
        elif separator not in "; \t" or (match is not None and separator != ";"):
            return None
        position += 1
    return [element for element in elements if element]


def client_of(chain: Sequence[str], peer: Address, trusted: AllowList) -> Address:
    """The right-most address that is not trusted; where all are, the left-most.

    What is no address ends the search: the client is then the last one that was reached, since that is who said it.

    :param chain: the hops, left to right.
    :param peer: the connection's other end, which is trusted.
    """
    client = peer
    for hop in reversed(chain):
        address = node_address(hop)
        if address is None:
            break
        client = address
        if trusted.everybody or address[0] not in trusted:
            break
    return client


class ForwardedRequest(Request):
    """A request about which a trusted proxy said more, or whose fields have names with underscores that count.

    `fields` has what the environment gets, ``wsgi.url_scheme`` and ``SCRIPT_NAME`` among them.
    """

    client: Address | None = None
    """Where it comes from by the trust rules; None where the connection's other end is the client."""
    sent: dict[str, str]
    """The header fields alone."""

    @classmethod
    def of(cls, request: Request) -> ForwardedRequest:
        """The same request, with room for more."""
        forwarded = cls()
        forwarded.__dict__.update(request.__dict__)
        forwarded.sent = request.fields
        forwarded.fields = request.fields.copy()
        forwarded.repeatable = False
        return forwarded


class TrustRules(msgspec.Struct, frozen=True):
    """The rules of one server, made when a worker starts; the defaults believe nobody.

    :param trusted: whose fields count.
    :param client_field: the CGI name of the field with the addresses.
    :param secure: CGI names, and the value that says https.
    :param underscored: upper-case names with underscores that a trusted proxy may set; ``*`` for all.
    :param header_map: what becomes of other names with underscores.
    """

    trusted: AllowList = AllowList(())
    client_field: str = "HTTP_X_FORWARDED_FOR"
    secure: Mapping[str, str] = {}
    underscored: frozenset[str] = frozenset()
    header_map: str = DROP

    @classmethod
    def make(
        cls,
        trusted: Iterable[str],
        client_header: str,
        secure_scheme_headers: Mapping[str, str],
        forwarder_headers: Iterable[str],
        header_map: str,
    ) -> TrustRules:
        """The rules for these settings; names are header names, in any case."""
        return cls(
            AllowList(trusted),
            cgi_name(client_header),
            {cgi_name(name): value for name, value in secure_scheme_headers.items()},
            frozenset(name.upper() for name in forwarder_headers),
            header_map,
        )

    def policy(self, peer: Address) -> FieldPolicy | None:
        """What holds for the requests of a connection; None where none of its fields means more than usual.

        :param peer: the other end, ("", 0) for a unix socket's.
        """
        trusted = bool(self.trusted.everybody or peer[0] in self.trusted)
        return FieldPolicy(self, peer, trusted) if trusted or self.header_map != DROP else None


class FieldPolicy:
    """How the fields of one connection's requests are read."""

    __slots__ = ("_peer", "_rules", "_trusted", "silent")

    def __init__(self, rules_: TrustRules, peer: Address, trusted: bool) -> None:
        self._rules = rules_
        self._peer = peer
        self._trusted = trusted
        names = frozenset((rules_.client_field, *rules_.secure)) if trusted else frozenset[str]()
        self.silent: Callable[[Iterable[str]], bool] = names.isdisjoint
        """Whether none of these fields says anything, those with underscores aside."""

    def apply(self, request: Request) -> ForwardedRequest:
        """What a request is for which :attr:`silent` is not true, or from which fields were left out.

        :raises RemoteProtocolError: fields disagree about the scheme, or a name with an underscore is refused.
        """
        forwarded = ForwardedRequest.of(request)
        if self._trusted:
            self._believe(forwarded)
        if request.left_out:
            self._map_underscores(forwarded)
        return forwarded

    def _believe(self, request: ForwardedRequest) -> None:
        field = self._rules.client_field
        value = request.sent.get(field)
        schemes = set(self._schemes(request))
        if value is not None and field == FORWARDED:
            elements = read_forwarded(value) or []
            if elements and (proto := elements[-1].get("proto")):
                schemes.add("https" if proto.lower() == "https" else "http")
            hops = [element.get("for", "") for element in elements]
        else:
            hops = [hop.strip(" \t") for hop in value.split(",")] if value is not None else []
        if len(schemes) > 1:
            raise rules.SCHEME_FIELDS_DISAGREE.error()
        if schemes:
            request.fields[SCHEME] = schemes.pop()
        client = client_of(hops, self._peer, self._rules.trusted)
        if client is not self._peer:
            request.client = client

    def _schemes(self, request: ForwardedRequest) -> Iterable[str]:
        """What each field about the scheme says; one that comes twice says it twice, as for gunicorn."""
        for name, secure in self._rules.secure.items():
            value = request.sent.get(name)
            if value is None:
                continue
            said = [value]
            if "," in value:
                said = [
                    each.decode("latin-1")
                    for key, each in request.raw_headers
                    if cgi_name(key.decode("latin-1")) == name
                ]
            for each in said:
                yield "https" if each == secure else "http"

    def _map_underscores(self, request: ForwardedRequest) -> None:
        names = self._rules.underscored if self._trusted else frozenset[str]()
        fields = request.fields
        for raw, value in request.raw_headers:
            if b"_" not in raw:
                continue
            name, text = raw.decode("latin-1").upper(), value.decode("latin-1")
            by_proxy = name in names or ALL in names
            if not by_proxy and self._rules.header_map == REFUSE:
                raise rules.UNDERSCORE_IN_NAME.error(raw)
            if not by_proxy and self._rules.header_map == DROP:
                continue
            key = cgi_name(name)
            fields[key] = f"{fields[key]},{text}" if key in fields else text
            if by_proxy and name == SCRIPT_NAME:
                fields[SCRIPT_NAME] = text
