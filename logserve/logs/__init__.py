"""What a log record is and what may happen to it, in any process, also outside the server.

No file is opened and no socket written here: that is the collector's.
"""
