"""A program that starts the server itself: with a function, or with a class of the shape of gunicorn's.

Run it: python app.py            (the function)
        python app.py --class    (the class)

It does what `logserve app:app` does, with its settings in the program instead of on the command line.
"""

import os
import sys

import logserve


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"Hello from a program\n"]


class Standalone(logserve.BaseApplication):
    """gunicorn's own example of a custom application, with another base."""

    def __init__(self, app, options=None):
        self.options = options or {}
        self.application = app
        super().__init__()

    def load_config(self):
        """Say the settings; called again at each reload."""
        for key, value in self.options.items():
            if key in self.cfg.settings and value is not None:
                self.cfg.set(key.lower(), value)

    def load(self):
        """Return the application; called in each worker."""
        return self.application


if __name__ == "__main__":
    settings = {
        "bind": os.environ.get("BIND", "127.0.0.1:8000"),
        "workers": 2,
        "preload_app": False,
    }
    if "--class" in sys.argv:
        Standalone(app, settings).run()
    sys.exit(logserve.run(app, **settings))
