"""``--print-config``: each setting and where it came from, written as TOML."""

from __future__ import annotations

import json
from typing import Any

from logserve.settings.declare import Declared, Section
from logserve.settings.resolve import Resolved
from logserve.settings.table import TABLE

COMMENT_COLUMN = 56


def show_settings(resolved: Resolved) -> str:
    """Return a line for each setting, by section: ``workers = 4  # environment variable WEB_CONCURRENCY``."""
    lines: list[str] = []
    for section in Section:
        shown = [
            f"{_assignment(declared, getattr(resolved.settings, name)):<{COMMENT_COLUMN}}  # {resolved.sources[name]}"
            for name, declared in TABLE.items()
            if declared.setting.section is section and not declared.setting.one_shot
        ]
        if shown:
            lines += [f"# {section.heading}", *shown, ""]
    return "\n".join(lines)


def listed_settings(resolved: Resolved) -> list[dict[str, Any]]:
    """Return the same for programs: name, value and source of each; a value that JSON does not have as text."""
    return [
        {
            "name": name,
            "value": _plain(declared, getattr(resolved.settings, name)),
            "source": str(resolved.sources[name]),
            "section": declared.setting.section.value,
        }
        for name, declared in TABLE.items()
        if not declared.setting.one_shot
    ]


def _plain(declared: Declared, value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if declared.is_list:
        return [
            _plain(declared, item)
            if isinstance(item, str | int | float)
            else declared.setting.kind.show(item)
            for item in value
        ]
    return " ".join(declared.setting.kind.show(value).split())


def _assignment(declared: Declared, value: Any) -> str:
    if value is None or value == "":
        return f"# {declared.name}: {declared.setting.unset or 'none'}"
    if declared.setting.file_only:
        return f"# {declared.name}: {' '.join(declared.setting.kind.show(value).split())}"
    if declared.is_list:
        return f"{declared.name} = [{', '.join(_literal(declared, item) for item in value)}]"
    return f"{declared.name} = {_literal(declared, value)}"


def _literal(declared: Declared, value: Any) -> str:
    """Return a number or a switch bare, all else quoted (a JSON string is a TOML string)."""
    text = declared.setting.kind.show(value)
    if isinstance(value, bool | float) or (isinstance(value, int) and text.removeprefix("0o").isdigit()):
        return text
    printable = text.encode(errors="backslashreplace").decode()  # a variable's undecodable bytes
    return json.dumps(printable, ensure_ascii=False).replace("\x7f", "\\u007f")
