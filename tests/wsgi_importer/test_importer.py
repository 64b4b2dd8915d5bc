"""Finding the application, and what is said where it is not to be found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from logserve.errors import AppError, BootError
from logserve.wsgi.importer import load_app

MODULES = {
    "shop.py": """
        import functools
        from functools import partial, wraps

        def application(environ, start_response): return [b"application"]
        def app(environ, start_response): return [b"app"]

        class Site:
            def __call__(self, environ, start_response): return [b"site"]

        site = Site()
        site.admin = Site()
        settings = {"debug": True}

        def create_app(name="shop", *, key=0):
            made = Site()
            made.arguments = (name, key)
            return made

        def needs_name(name): return application
        def raises(): raise RuntimeError("no database")
        def exits(): raise SystemExit(7)
        def makes_nothing(): return None
        async def asgi(scope, receive, send): pass

        def passes_more(function):
            @wraps(function)
            def call(environ, start_response): return function(environ, start_response, "session")
            return call

        @passes_more
        def wrapped(environ, start_response, session): return [b"wrapped"]
    """,
    "only_app.py": "def app(environ, start_response): return []",
    "package/__init__.py": "",
    "package/web.py": "def site(environ, start_response): return []",
    "factories.py": """
        from functools import wraps
        def create_app(): pass
        def helper(): pass
    """,
    "empty.py": "",
    "raises.py": """
        import good_helper

        good_helper.help()
    """,
    "good_helper.py": """
        def help():
            return undefined_name
    """,
    "misses.py": "import there_is_no_such_thing",
    "bad_syntax.py": "def broken(:\n    pass\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "chained.py": """
        try:
            1 / 0
        except ZeroDivisionError:
            import bad_syntax
    """,
    "proxies.py": """
        from flask import Flask, current_app, g, render_template, request, session
        website = Flask(__name__)
    """,
}


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with the modules above, none of them imported yet."""
    for name, text in MODULES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        lines = text.split("\n")
        margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
        path.write_text("\n".join(line[margin:] for line in lines))
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def body(spec: str) -> bytes:
    return b"".join(load_app(spec)({}, lambda *_: None))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("shop", b"application"),
        ("shop:app", b"app"),
        ("shop:site", b"site"),
        ("shop:site.admin", b"site"),
        ("shop:Site()", b"site"),
        ("shop:needs_name('x')", b"application"),
        (" shop : app ", b"app"),
    ],
)
def test_modules_names_dotted_names_and_factories(spec: str, expected: bytes) -> None:
    assert body(spec) == expected


def test_the_default_name_is_application_then_app() -> None:
    assert load_app("shop") is load_app("shop:application")
    assert load_app("only_app") is load_app("only_app:app")


def test_a_module_in_a_package() -> None:
    assert callable(load_app("package.web:site"))


def test_a_factory_gets_literal_arguments() -> None:
    made = load_app("shop:create_app('x', key={'a': [1, None, True]})")
    assert made.arguments == ("x", {"a": [1, None, True]})  # type: ignore[attr-defined]


def test_what_wraps_the_application_decides_how_it_is_called() -> None:
    assert body("shop:wrapped") == b"wrapped"


def test_the_working_directory_is_importable_and_comes_first(directory: Path) -> None:
    sys.path = [entry for entry in sys.path if entry not in ("", str(directory))]
    load_app("shop")
    assert sys.path[0] == str(directory)
    load_app("only_app")
    assert sys.path.count(str(directory)) == 1


@pytest.mark.parametrize(
    ("spec", "sentence"),
    [
        ("shpo", "no module 'shpo' in {cwd} or on the Python path; did you mean 'shop'?"),
        ("shpo:app", "no module 'shpo' in {cwd} or on the Python path; did you mean 'shop'?"),
        ("package.wab:site", "no module 'wab' in package 'package'; did you mean 'package.web'?"),
        ("package.zzz", "no module 'zzz' in package 'package'; the modules there: 'web'"),
        ("nopackage.web", "no module 'nopackage' in {cwd} or on the Python path; did you mean 'package.web'?"),
        ("only_app.app", "'only_app' is a module, not a package; did you mean 'only_app:app'?"),
        ("only_app.py", "'only_app.py' is a path, expected a module; did you mean 'only_app:app'?"),
        ("only_app.py:app", "'only_app.py' is a path, expected a module; did you mean 'only_app:app'?"),
        ("shop.py", "'shop.py' is a path, expected a module; did you mean 'shop:application'?"),
        ("missing.py", "'missing.py' is no module's name; did you mean 'missing:app'?"),
        ("package/web.py", "'package/web.py' is a path, expected a module; did you mean 'package.web:site'?"),
        ("./package/web:site", "'./package/web' is a path, expected a module; did you mean 'package.web:site'?"),
        ("/srv/x.py", "'/srv/x.py' is a path, expected a module; did you mean '--chdir /srv x:app'?"),
        ("../x.py:y", "'../x.py' is a path, expected a module; did you mean '--chdir .. x:y'?"),
        ("", "found '' for a module, expected its full name, as in 'app:app'"),
        (".shop", "found '.shop' for a module, expected its full name, as in 'app:app'"),
        (
            "only_app:ap",
            ("'only_app:ap': module 'only_app' has no 'ap'; the module's WSGI callables: 'app'; "
            "did you mean 'only_app:app'?"),
        ),
        (
            "shop:zzz",
            ("'shop:zzz': module 'shop' has no 'zzz'; the module's WSGI callables: 'application', 'app', "
            "'create_app()', 'site' and 'wrapped'"),
        ),
        (
            "factories",
            "module 'factories' has neither 'application' nor 'app'; the module's WSGI callables: 'create_app()'",
        ),
        ("empty", "module 'empty' has neither 'application' nor 'app'; the module has no WSGI callable at all"),
        (
            "proxies:app",
            "'proxies:app': module 'proxies' has no 'app'; the module's WSGI callables: 'website'",
        ),
        ("shop:site.zzz", "'shop:site.zzz': 'site' (a Site) has no 'zzz'"),
        ("only_app:__doc__", "'only_app:__doc__' is None, expected a WSGI application; the module's WSGI callables: 'app'"),
        ("shop:settings()", "'shop:settings()': 'settings' is a dict, expected a factory to call"),
        ("shop:makes_nothing()", "'shop:makes_nothing()' returned None, expected a WSGI application"),
        ("shop:asgi", "'shop:asgi' is asynchronous (ASGI), expected a WSGI application"),
        (
            "factories:create_app",
            ("'factories:create_app' takes (), expected (environ, start_response); "
            "did you mean 'factories:create_app()'?"),
        ),
        (
            "shop:needs_name()",
            ("'shop:needs_name()': the arguments do not fit needs_name(name): "
            "missing a required argument: 'name'"),
        ),
        (
            "shop:create_app(1, 2)",
            ("'shop:create_app(1, 2)': the arguments do not fit create_app(name='shop', *, key=0): "
            "too many positional arguments"),
        ),
        (
            "shop:create_app(settings)",
            ("'shop:create_app(settings)': the factory's arguments must be literals such as 'text', 1, True, None "
            "or ['a', 'b']"),
        ),
        (
            "shop:create_app(**settings)",
            ("'shop:create_app(**settings)': the factory's arguments must be literals such as 'text', 1, True, "
            "None or ['a', 'b']"),
        ),
        ("shop:", "'shop:': expected a name or a call behind the colon, found ''"),
        ("shop:a[0]", "'shop:a[0]': expected a name or a call behind the colon, found 'a[0]'"),
        ("shop:app:app", "'shop:app:app': expected a name or a call behind the colon, found 'app:app'"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_or_called_is_one_sentence(spec: str, sentence: str, directory: Path) -> None:
    with pytest.raises(AppError) as caught:
        load_app(spec)
    assert str(caught.value) == sentence.replace("{cwd}", str(directory))
    assert caught.value.exit_code == 4


def test_an_empty_directory_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "nothing").mkdir()
    monkeypatch.chdir(directory / "nothing")
    with pytest.raises(AppError, match="no module is there at all"):
        load_app("anything")


def test_an_exception_at_import_shows_the_user_s_frames_only(directory: Path) -> None:
    with pytest.raises(BootError) as caught:
        load_app("raises")
    lines = str(caught.value).splitlines()
    assert lines[0] == "importing 'raises' failed"
    assert [line.strip() for line in lines if line.startswith("  File")] == [
        f'File "{directory}/raises.py", line 4, in <module>',
        f'File "{directory}/good_helper.py", line 3, in help',
    ]
    assert lines[-1].startswith("NameError: name 'undefined_name' is not defined")
    assert caught.value.exit_code == 3


def test_a_traceback_ends_at_the_user_s_line_not_in_the_standard_library(directory: Path) -> None:
    (directory / "unreadable.py").write_text("import json\n\nsettings = json.loads('{')\n")
    with pytest.raises(BootError) as caught:
        load_app("unreadable")
    lines = str(caught.value).splitlines()
    assert [line.strip() for line in lines if line.startswith("  File")] == [
        f'File "{directory}/unreadable.py", line 3, in <module>'
    ]
    assert lines[-1].startswith("json.decoder.JSONDecodeError: Expecting property name")


def test_frames_of_the_standard_library_between_the_user_s_stay(directory: Path) -> None:
    (directory / "called_back.py").write_text(
        "import functools\n\ndef fail(one, other):\n    return one / 0\n\nfunctools.singledispatch(fail)(1, 2)\n"
    )
    with pytest.raises(BootError) as caught:
        load_app("called_back")
    files = [line for line in str(caught.value).splitlines() if line.startswith("  File")]
    assert ["called_back.py" in file for file in files] == [True, False, True]


def test_a_module_whose_own_import_is_missing_is_not_taken_for_missing() -> None:
    with pytest.raises(BootError) as caught:
        load_app("misses")
    assert "No module named 'there_is_no_such_thing'" in str(caught.value)
    assert "line 1, in <module>" in str(caught.value)


def test_a_syntax_error_shows_its_line_and_no_frame(directory: Path) -> None:
    with pytest.raises(BootError) as caught:
        load_app("bad_syntax")
    lines = str(caught.value).splitlines()
    assert lines[1] == f'  File "{directory}/bad_syntax.py", line 1'
    assert lines[-1] == "SyntaxError: invalid syntax"
    assert "Traceback" not in str(caught.value)


def test_what_caused_an_exception_is_shown_without_the_machinery() -> None:
    with pytest.raises(BootError) as caught:
        load_app("chained")
    text = str(caught.value)
    assert "ZeroDivisionError" in text
    assert "SyntaxError" in text
    assert "importlib" not in text
    assert "logserve" not in text


@pytest.mark.parametrize(
    ("spec", "sentence", "last"),
    [
        ("exits", "importing 'exits' ended in sys.exit(3)", "SystemExit: 3"),
        ("shop:exits()", "exits() ended in sys.exit(7)", "SystemExit: 7"),
        ("shop:raises()", "the factory raises() raised", "RuntimeError: no database"),
    ],
)
def test_what_raises_is_named_with_its_traceback(spec: str, sentence: str, last: str) -> None:
    with pytest.raises(BootError) as caught:
        load_app(spec)
    lines = str(caught.value).splitlines()
    assert lines[0] == sentence
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-1] == last
    assert "importer.py" not in str(caught.value)
