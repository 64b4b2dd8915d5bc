"""structlog: events arrive as typed fields, with the request's id, in the server's handlers.

    mkdir -p logs
    LOG_DIR=$PWD/logs logserve --chdir examples/structlog --log-config ../../logging_configs/json.yaml app:app
    curl http://127.0.0.1:8000/?items=3

bridge_structlog() configures structlog; nothing else is needed. `items` is a number in the log, not text.
Outside logserve (a unit test) the same call sends events through the standard library's logging.
"""

from collections.abc import Iterable
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

import structlog

from logserve import bridge_structlog

bridge_structlog()
log = structlog.get_logger("shop")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    items = parse_qs(environ["QUERY_STRING"]).get("items", ["0"])[0]
    cart = log.bind(customer="c-17")
    cart.info("cart shown", items=int(items) if items.isdigit() else 0, paid=False)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
