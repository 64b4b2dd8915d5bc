"""A worker class of one's own: it warms a cache before the worker serves, and counts what the worker has answered.

Run it: logserve --workers 2 --worker-class app:Warm app:app
"""

import logging

import logserve

logserve.bridge_root_logger()
log = logging.getLogger("shop")
prices = {}


class Warm(logserve.Worker):
    """Serves as gthread does; `based_on` may be any worker type's name."""

    based_on = "gthread"

    def starting(self):
        """Before the application is loaded, in each worker."""
        prices.update(tea=3, coffee=4)
        log.info("worker %d is warm", self.slot)

    def loaded(self, application):
        """Return what is called for each request."""
        self.answered = 0

        def counted(environ, start_response):
            self.answered += 1
            return application(environ, start_response)

        return counted

    def leaving(self):
        """At the end, when every request is answered."""
        log.info("worker %d has answered %d", self.slot, self.answered)


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(prices[environ["PATH_INFO"].strip("/")]).encode()]
