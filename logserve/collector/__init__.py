"""The process that owns every handler and every log file: it drains the rings and serves no request.

``process`` is the loop, ``pipeline`` takes frames from rings to sinks, ``sink`` runs one handler in its own
thread, ``files`` writes lines to files and rotates them, ``handlers`` makes the real handlers of a configuration,
``recover`` finishes the ring of a worker that is gone, ``report`` says in the log what went wrong in here.
"""
