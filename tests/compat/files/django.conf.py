"""Django behind nginx, with gevent."""

import multiprocessing
import os
from pathlib import Path

name = "shop"
BASE_DIR = Path(__file__).resolve().parent

wsgi_app = os.environ.get("DJANGO_WSGI", "config.wsgi:application")
bind = [f"unix:{BASE_DIR / 'gunicorn.sock'}"]
chdir = str(BASE_DIR)
pythonpath = str(BASE_DIR)
proc_name = f"{name}_gunicorn"

worker_class = "gevent"
workers = min(2, multiprocessing.cpu_count() * 2 + 1)
worker_connections = 1000
max_requests = 1000
max_requests_jitter = 50
timeout = 120
graceful_timeout = 30
keepalive = 5
preload_app = False

raw_env = ["DJANGO_SETTINGS_MODULE=config.settings", "LANG=en_US.UTF-8"]
forwarded_allow_ips = "*"
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}

loglevel = os.getenv("LOG_LEVEL", "info")
accesslog = "access.log"
errorlog = "error.log"
capture_output = True


def post_fork(server, worker):
    if worker.cfg.worker_class_str == "gevent":
        from psycogreen.gevent import patch_psycopg

        patch_psycopg()
    server.log.info("Worker %s of %s is ready for Django", worker.pid, server.proc_name)
