"""The commands: what the user types is taken apart here, and what the user did wrong is said here.

`serve` is ``logserve APP_MODULE``. A later command is a module of its own beside it. Not here: what a
setting means (:mod:`logserve.settings`), and the server (:mod:`logserve.arbiter`).
"""
