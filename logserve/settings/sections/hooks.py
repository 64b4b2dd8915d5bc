"""Functions of the user's that are called at certain moments of the server's life.

Names, moments and arguments are gunicorn's. Only a configuration file can name them.
"""

# No `from __future__ import annotations`: the annotations are read as objects.
from typing import Annotated, Any

from logserve.settings.declare import Section, Setting
from logserve.settings.objects import Hook
from logserve.settings.sections.development import DevelopmentSettings


class HooksSettings(DevelopmentSettings, frozen=True, kw_only=True):
    """Functions of the user's that are called at certain moments of the server's life."""

    on_starting: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server"),
            file_only=True,
            help="Called in the arbiter, before the first process is forked.",
        ),
    ] = None

    on_reload: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server"),
            file_only=True,
            help="Called in the arbiter at a reload, before the new workers are started.",
        ),
    ] = None

    when_ready: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server"),
            file_only=True,
            help="Called in the arbiter, once the server listens and logs, before the first worker.",
        ),
    ] = None

    pre_fork: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server", "worker"),
            file_only=True,
            help="Called in the arbiter, before a worker is forked.",
        ),
    ] = None

    post_fork: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server", "worker"),
            file_only=True,
            help="Called in a new worker, before it loads the application.",
        ),
    ] = None

    post_worker_init: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("worker"),
            file_only=True,
            help="Called in a worker, once it has loaded the application.",
        ),
    ] = None

    worker_int: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("worker"),
            file_only=True,
            help="Called in a worker that is sent INT or QUIT, inside the call that this interrupts.",
        ),
    ] = None

    worker_abort: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("worker"),
            file_only=True,
            help="Called in a worker that is sent ABRT, mostly because it has not answered for --timeout.",
        ),
    ] = None

    pre_exec: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server"),
            file_only=True,
            help="Called in the arbiter, before it starts another program in its place (USR2).",
        ),
    ] = None

    pre_request: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("worker", "req"),
            file_only=True,
            help="Called in a worker, before it calls the application.",
        ),
    ] = None

    post_request: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("worker", "req", "environ", "resp", optional=2),
            file_only=True,
            help="Called in a worker, after an answer is made; the last two arguments may be left out.",
        ),
    ] = None

    child_exit: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server", "worker"),
            file_only=True,
            help="Called in the arbiter, after a worker has ended.",
        ),
    ] = None

    worker_exit: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server", "worker"),
            file_only=True,
            help="Called in a worker that ends.",
        ),
    ] = None

    nworkers_changed: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server", "new_value", "old_value"),
            file_only=True,
            help="Called in the arbiter, when another number of workers is wanted; at the start the old one is None.",
        ),
    ] = None

    on_exit: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("server"),
            file_only=True,
            help="Called in the arbiter, once all workers have ended.",
        ),
    ] = None

    ssl_context: Annotated[
        Any,
        Setting(
            section=Section.HOOKS,
            kind=Hook("config", "default_ssl_context_factory"),
            file_only=True,
            help="Called where the context of TLS is made.",
        ),
    ] = None
