"""Who may import whom, and that there is no circle: between packages, nor between modules.

Imports inside functions count, and so do those for types in the rules of direction.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

ROOT = "logserve"

LEAVES = {"errors", "channel"}
"""Modules that every package may import; they import nothing of ours but errors."""

MAY_IMPORT = {
    "errors": set[str](),
    "channel": set[str](),
    "shm": set[str](),
    "settings": set[str](),
    "http1": set[str](),
    "logs": {"shm"},
    "wsgi": {"http1", "logs"},
    "compat": {"logs", "settings"},
    "workers": {"http1", "wsgi", "logs", "shm", "settings", "compat"},
    "collector": {"logs", "shm"},
    "arbiter": {"workers", "collector", "shm", "logs", "settings", "compat", "wsgi.importer"},
    "insight": {"logs"},
    "embed": {"arbiter", "settings", "compat"},
    "cli": {"arbiter", "insight", "settings", "compat", "logs.config", "wsgi.importer"},
    "__main__": {"cli"},
}
"""The packages, and for each the packages (or modules of one) that it may import."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(ROOT, cache_dir=None)


def package_of(module: str) -> str:
    return module.split(".")[1]


def inner_imports(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Every import from a module of ours by another; the public face itself is left out."""
    return [
        (importer, imported)
        for importer in sorted(graph.modules - {ROOT})
        for imported in sorted(graph.find_modules_directly_imported_by(importer) - {ROOT})
    ]


def test_every_package_has_its_rule(graph: grimp.ImportGraph) -> None:
    assert {package_of(module) for module in graph.modules - {ROOT}} == set(MAY_IMPORT)


def test_packages_import_only_what_they_may(graph: grimp.ImportGraph) -> None:
    wrong = []
    for importer, imported in inner_imports(graph):
        package, target = package_of(importer), imported.removeprefix(f"{ROOT}.")
        allowed = MAY_IMPORT[package] | (
            LEAVES - {package} if package not in LEAVES else {"errors"} - {package}
        )
        if package_of(imported) != package and not any(
            target == prefix or target.startswith(f"{prefix}.") for prefix in allowed
        ):
            wrong.append(f"{importer} imports {imported}")
    assert not wrong, "\n".join(wrong)


def test_nothing_but_the_version_is_taken_from_the_public_face(graph: grimp.ImportGraph) -> None:
    lines = [
        detail["line_contents"]
        for importer in graph.find_modules_that_directly_import(ROOT)
        for detail in graph.get_import_details(importer=importer, imported=ROOT)
    ]
    assert set(lines) == {"from logserve import __version__"}


def test_there_is_no_circle_between_packages(graph: grimp.ImportGraph) -> None:
    edges: dict[str, set[str]] = {}
    for importer, imported in inner_imports(graph):
        if package_of(importer) != package_of(imported):
            edges.setdefault(package_of(importer), set()).add(package_of(imported))
    assert not circle(edges)


def test_there_is_no_circle_between_modules(graph: grimp.ImportGraph) -> None:
    edges: dict[str, set[str]] = {}
    for importer, imported in inner_imports(graph):
        edges.setdefault(importer, set()).add(imported)
    assert not circle(edges)


def circle(edges: dict[str, set[str]]) -> list[str]:
    """The first circle that is found, from a module round to itself."""
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}})
    assert not circle({"a": {"b", "c"}, "b": {"c"}})
