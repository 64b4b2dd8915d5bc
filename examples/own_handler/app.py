"""A handler and a filter of your own: application records into SQLite, no access lines for /health.

    LOG_DIR=$PWD/logs logserve -w 2 --chdir examples/own_handler --log-config logging.yaml app:app
    curl http://127.0.0.1:8000/health http://127.0.0.1:8000/?customer=17
    sqlite3 logs/records.sqlite 'SELECT level, message, customer FROM records'

The classes are in own_logging.py, and logging.yaml names them. Two workers, and yet one writer of the
database: handlers run in the collector. `customer` is a number there, too.
"""

import logging
from collections.abc import Iterable
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

log = logging.getLogger("shop")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    customer = parse_qs(environ["QUERY_STRING"]).get("customer", [""])[0]
    if customer.isdigit():
        log.info("a customer came", extra={"customer": int(customer)})
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
