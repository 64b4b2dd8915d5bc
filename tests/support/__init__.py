"""The harness of the end-to-end tests: a real server process, raw sockets, its log files, its processes.

No test is in here, and nothing of logserve is imported: what the tests see is what a user sees.
"""
