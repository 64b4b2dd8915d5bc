"""Django in a single file, with a LOGGING setting as people have it.

    logserve -w 2 --chdir examples/django app:application
    curl http://127.0.0.1:8000/
    curl http://127.0.0.1:8000/broken

LOGGING disables all existing loggers and opens its own console handler, as many projects' do. The server's
loggers go on all the same, and the application's records keep the format chosen here, with the request's id.
"""

import logging

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import path

settings.configure(
    SECRET_KEY="an example has no secrets",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    LOGGING={
        "version": 1,
        "disable_existing_loggers": True,
        "formatters": {
            "short": {
                "()": "logging.Formatter",
                "fmt": "%(levelname)s %(name)s %(message)s request=%(request_id)s",
                "defaults": {"request_id": "-"},  # outside of requests, and outside of logserve
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "short"}},
        "loggers": {
            "shop": {"handlers": ["console"], "level": "INFO", "propagate": False},
            "django.request": {"handlers": ["console"], "level": "ERROR", "propagate": False},
        },
    },
)

log = logging.getLogger("shop")


def index(request: HttpRequest) -> HttpResponse:
    log.info("somebody looks around")
    return HttpResponse("Hello from Django\n")


def broken(request: HttpRequest) -> HttpResponse:
    raise ValueError("this view never worked")


urlpatterns = [path("", index), path("broken", broken)]
application = get_wsgi_application()
