"""The server's side of ``logserve ctl``: a unix socket in the arbiter's loop, and the answers to what is asked there.

The protocol is :mod:`~logserve.arbiter.control.protocol`, which the client shares. What a command does is what a
signal does, by the same tables; nothing is decided here.
"""
