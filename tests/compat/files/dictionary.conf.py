# JSON to the standard output for a container, by a dictionary for logging.

import os
import socket

from gunicorn.glogging import Logger

HEALTH_CHECKS = ("/health", "/ready")


class AccessLogger(Logger):
    def access(self, resp, req, environ, request_time):
        if req.path in HEALTH_CHECKS:
            return
        super().access(resp, req, environ, request_time)


logger_class = AccessLogger

bind = f"0.0.0.0:{os.getenv('PORT', '8080')}"
workers = int(os.getenv("WEB_CONCURRENCY", 2))
threads = int(os.getenv("PYTHON_MAX_THREADS", 1))
graceful_timeout = 10

accesslog = "-"
errorlog = "-"
access_log_format = (
    '{"remote": "%(h)s", "method": "%(m)s", "path": "%(U)s", "status": "%(s)s", "bytes": "%(B)s", '
    '"micros": "%(D)s", "agent": "%(a)s", "id": "%({X-Request-ID}i)s"}'
)

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(process)d %(message)s",
            "static_fields": {"host": socket.gethostname()},
        },
        "access": {"class": "logging.Formatter", "format": "%(message)s"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"},
        "access": {"class": "logging.StreamHandler", "formatter": "access", "stream": "ext://sys.stdout"},
    },
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {
            "level": "INFO",
            "handlers": ["console"],
            "propagate": False,
            "qualname": "gunicorn.error",
        },
        "gunicorn.access": {
            "level": "INFO",
            "handlers": ["access"],
            "propagate": False,
            "qualname": "gunicorn.access",
        },
    },
}
