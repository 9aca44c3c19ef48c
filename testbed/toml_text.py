"""Writes TOML, which the standard library only reads. Source: toml.io/en/v1.0.0."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(document: Mapping[str, Any]) -> str:
    """A document of tables, lists of tables, strings, numbers and booleans; None values are left out."""
    return "\n".join(_table(document, ())).lstrip("\n") + "\n"


def _table(table: Mapping[str, Any], place: tuple[str, ...]) -> Iterator[str]:
    present = {key: value for key, value in table.items() if value is not None}
    for key, value in present.items():
        if not _is_section(value):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in present.items():
        if _is_section(value):
            yield from _section(value, (*place, key))


def _section(value: Any, place: tuple[str, ...]) -> Iterator[str]:
    name = ".".join(_key(part) for part in place)
    if isinstance(value, Mapping):
        yield from ("", f"[{name}]", *_table(value, place))
        return
    for element in value:
        yield from ("", f"[[{name}]]", *_table(element, place))


def _is_section(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(one, Mapping) for one in value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return repr(value)
        case str():
            return _string(value)
        case Sequence():
            return f"[{', '.join(_value(one) for one in value)}]"
    raise TypeError(f"TOML has no form for {value!r} of type {type(value).__name__}")


def _string(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
