"""An application written for gunicorn, its logging set up by hand, unchanged.

    mkdir -p logs
    LOG_DIR=$PWD/logs logserve -w 4 --chdir examples/gunicorn_module app:app
    curl http://127.0.0.1:8000/
    cat logs/service.log

Under gunicorn each worker opens the file and rotates it under the others: at midnight lines are lost.
logserve adopts the handler before its first record is written: one process owns the file, and the object
below goes on to work (setFormatter, setLevel, the list that root shares). Nothing here knows of logserve.
"""

import logging
import os
from collections.abc import Iterable
from logging.handlers import TimedRotatingFileHandler
from wsgiref.types import StartResponse, WSGIEnvironment

formatter = logging.Formatter("%(asctime)s [%(process)d] %(levelname)s %(name)s: %(message)s")

err = logging.getLogger("gunicorn.error")
handler = TimedRotatingFileHandler(
    os.path.join(os.environ.get("LOG_DIR", "logs"), "service.log"),
    when=os.environ.get("ROTATE_WHEN", "midnight"),
    interval=1,
)
handler.suffix = os.environ.get("ROTATE_SUFFIX", "%Y%m%d")
err.addHandler(handler)
logging.root.handlers = err.handlers
logging.root.level = err.level
for h in logging.root.handlers:
    h.setFormatter(formatter)

log = logging.getLogger("service")
log.info("imported")


def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    log.info("request for %s", environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
    return [b"ok\n"]
