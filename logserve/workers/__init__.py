"""The processes that serve requests: boot, the event loop, the ledger of what each request became.

No HTTP grammar lives here (:mod:`logserve.http1`), no application calling convention (:mod:`logserve.wsgi`),
and no log file is opened (:mod:`logserve.collector`).
"""
