"""A Python configuration file over a server's life: read at the start, read anew at HUP, checked before."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.compat.conftest import APP, ServeWith, configure
from tests.conftest import StartServer
from tests.support.server import ROOT, Server


def reload(server: Server) -> None:
    server.send(signal.SIGHUP)


def test_a_changed_file_takes_over_at_hup(serve_with: ServeWith) -> None:
    text = "import os\nworkers = 1\nwsgi_app = 'tests.apps.moody'\nraw_env = ['COLOR=red', 'OTHER=1']\n"
    report = "def post_fork(server, worker): worker.log.info('HOOK %s %s %s', os.environ.get('COLOR'), os.environ.get('OTHER'), server.cfg.timeout)\n"
    server = serve_with(text + report, None)
    old = server.wait_workers(1)
    assert server.get("/").status == 200
    changed = text.replace("workers = 1", "workers = 2\ntimeout = 50").replace(
        "'COLOR=red', 'OTHER=1'", "'COLOR=blue'"
    )
    configure(server, changed + report)
    reload(server)
    server.wait_workers(2, but=old)
    server.error.wait_message("reloaded: 2 workers")
    said = [
        str(record["message"]) for record in server.error.where(lambda r: "HOOK" in str(r.get("message")))
    ]
    assert said == ["HOOK red 1 30", "HOOK blue None 50", "HOOK blue None 50"]


def test_a_file_that_fails_at_hup_changes_nothing(serve_with: ServeWith) -> None:
    server = serve_with("workers = 1\n")
    server.expect("not reloaded")
    old = server.wait_workers(1)
    for text, said in [
        ("workers = (\n", "gunicorn.conf.py:1: is no Python: '(' was never closed"),
        ("workers = 2\nraise ValueError('no')\n", "gunicorn.conf.py:2: raised ValueError: no"),
        ("import sys\nsys.exit(1)\n", "gunicorn.conf.py:2: ended in sys.exit(1)"),
        ("workers = 'many'\n", "gunicorn.conf.py:1: workers: found 'many'"),
        ("chdir = 'nowhere'\n", "gunicorn.conf.py:1: chdir: cannot change to 'nowhere': no such directory"),
    ]:
        configure(server, text)
        reload(server)
        server.error.wait_message(f"not reloaded, the running configuration stays: {said}")
        assert server.workers() == old
        assert server.get("/pid").json() == old[0]
    configure(server, "workers = 2\n")
    reload(server)
    server.wait_workers(2, but=old)


def test_workers_that_cannot_boot_bring_the_old_settings_back(serve_with: ServeWith) -> None:
    hook = "def child_exit(server, worker): server.log.info('HOOK child_exit %d', server.cfg.timeout)\n"
    server = serve_with(f"timeout = 41\nwsgi_app = 'tests.apps.process_paths'\n{hook}", None)
    server.expect("boot|no module|worker")
    old = server.wait_workers(1)
    configure(server, f"timeout = 42\nwsgi_app = 'tests.apps.not_there'\n{hook}")
    reload(server)
    server.error.wait_message("the old ones go on")
    assert server.get("/pid").json() == old[0]
    os.kill(old[0], signal.SIGKILL)
    server.wait_workers(1, but=old)
    server.error.wait_message("HOOK child_exit 41")


def test_what_only_a_start_changes_is_warned_about(serve_with: ServeWith) -> None:
    server = serve_with("pidfile = 'a.pid'\n")
    configure(server, "\npidfile = 'b.pid'\n")
    reload(server)
    server.error.wait_message("gunicorn.conf.py:2: pidfile is not changed by a reload, but by a new start")
    server.error.wait_message("reloaded")
    assert Path(server.directory, "a.pid").exists()


def test_a_file_is_found_again_from_another_directory(new_server: StartServer) -> None:
    server = new_server(None)
    (server.directory / "site").mkdir()
    (server.directory / "site" / "web.py").write_text("from tests.apps.process_paths import application\n")
    text = "import os\nchdir = 'site'\nwsgi_app = 'web'\nassert os.path.exists('gunicorn.conf.py')\nworkers = 1\n"
    configure(server, text)
    server.leaves.add("site")
    server.command += ["--log-config", str(server.directory / "logging.yaml")]
    logs = "".join(f"{name}.json " for name in ("access", "error", "http", "app")).split()
    for name in logs:
        (server.directory / "site" / name).symlink_to(server.directory / name)
    server.start()
    old = server.wait_workers(1)
    configure(server, text.replace("workers = 1", "workers = 2"))
    server.send(signal.SIGHUP)
    server.wait_workers(2, but=old)


def logserve(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "logserve", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_check_config_loads_the_file_the_logging_the_logger_class_and_the_application(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("def app(environ, start_response): return []\n")
    (tmp_path / "own.py").write_text(
        "from gunicorn import glogging\nclass L(glogging.Logger): pass\nclass M: pass\n"
    )
    good = "wsgi_app = 'web:app'\nlogger_class = 'own.L'\nlogconfig_dict = {'root': {'level': 'INFO'}}\n"
    (tmp_path / "gunicorn.conf.py").write_text(good)
    done = logserve("--check-config", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "logserve: the configuration is good\n", "")
    (tmp_path / "gunicorn.conf.py").write_text(
        "wsgi_app = 'web:ap'\nlogger_class = 'own.M'\nlogconfig_dict = {\n'root': {'level': 'INFOO'}}\nworker = 1\n"
    )
    done = logserve("--check-config", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        "logserve: warning: gunicorn.conf.py:5: worker: names no setting; did you mean 'workers'?",
        "logserve: gunicorn.conf.py:4: root.level: 'INFOO' is no level; did you mean 'INFO'?",
        "logserve: gunicorn.conf.py:2: logger_class: found the class own.M, expected a subclass of gunicorn.glogging.Logger",
        "logserve: 'web:ap': module 'web' has no 'ap'; the module's WSGI callables: 'app'; did you mean 'web:app'?",
    ]


def test_print_config_names_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3\ndef pre_fork(server, worker): pass\n")
    done = logserve("--print-config", cwd=tmp_path)
    assert done.returncode == 0
    lines = {
        line.rpartition("  # ")[0].strip(): line.rpartition("  # ")[2] for line in done.stdout.splitlines()
    }
    assert lines["workers = 3"] == "gunicorn.conf.py:1"
    assert lines["# pre_fork: __config__.pre_fork"] == "gunicorn.conf.py:2"


def test_a_wrong_file_at_the_start_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text("workers = 3\n\nimport no_such_module_of_mine\n")
    done = logserve("web:app", cwd=tmp_path)
    expected = "gunicorn.conf.py:3: raised ModuleNotFoundError: No module named 'no_such_module_of_mine'"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"logserve: {expected}\n")
    (tmp_path / "gunicorn.conf.py").write_text("\nchdir = 'nowhere'\n")
    for arguments in (["web:app"], ["--check-config", "web:app"]):
        done = logserve(*arguments, cwd=tmp_path)
        expected = "gunicorn.conf.py:2: chdir: cannot change to 'nowhere': no such directory"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"logserve: {expected}\n")


def test_a_flag_about_a_log_file_is_named_where_the_file_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "web.py").write_text("def app(environ, start_response): return []\n")
    for arguments, said in [
        (["--access-logfile", "none/a.log"], "--access-logfile: the directory"),
        (["--error-logfile", "none/a.log"], "--error-logfile: the directory"),
        (
            ["--access-log-format", "%(nonsense)s"],
            "--access-log-format: the access format has no atom '%(nonsense)s'",
        ),
    ]:
        done = logserve(*arguments, "web:app", cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith(f"logserve: {said}"), done.stderr
    (tmp_path / "gunicorn.conf.py").write_text("\naccesslog = 'none/a.log'\n")
    done = logserve("web:app", cwd=tmp_path)
    assert done.stderr.startswith("logserve: gunicorn.conf.py:2: accesslog: the directory")


def test_with_preload_the_file_is_read_anew_but_not_the_application(new_server: StartServer) -> None:
    server = new_server(APP, "--preload")
    configure(server, "workers = 1\n")
    server.start()
    old = server.wait_workers(1)
    configure(server, "workers = 2\n")
    reload(server)
    server.wait_workers(2, but=old)
