"""bridge_root_logger(): one call sends an application's own logs the server's way.

    mkdir -p logs
    LOG_DIR=$PWD/logs logserve -w 4 --chdir examples/bridge_root_logger app:app
    curl http://127.0.0.1:8000/
    cat logs/application.log

Four workers name the same file and share one handler, in one process, that rotates it at midnight. The
same call works in a unit test, under `flask run` or under gunicorn, where it attaches the handler itself.
"""

import logging
import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from logserve import bridge_root_logger

bridge_root_logger(
    filename=os.path.join(os.environ.get("LOG_DIR", "logs"), "application.log"),
    when="midnight",
    suffix="%Y%m%d",
    backup_count=14,
    formatter="json",
)

log = logging.getLogger("shop.cart")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    log.info("cart shown", extra={"path": environ["PATH_INFO"], "items": 3})
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
