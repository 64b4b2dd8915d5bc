"""Memory shared between the arbiter, the workers and the collector: its layout, the ring, the scoreboard.

Nothing here knows what a request or a log record is; bytes and words only.
"""
