"""Hypothesis strategies: any record of any kind, and spool files made of them."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields
from typing import Any, Union, get_args, get_origin

from hypothesis import strategies as st

from instrument.records import KINDS, SCHEMA_VERSION, End, Record, Segment

# text that breaks line formats, and any other character that UTF-8 can carry
AWKWARD = st.sampled_from(
    ["", ",", "\n", "\r\n", '"', "'", "\\", "\\n", "\\ud800", "\x00", "\u2028", "a b", "ü", "😀", "{}"]
)
TEXT = AWKWARD | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-5, 5).map(float)


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Any value of a field's type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in {Union, types.UnionType}:
        return st.one_of([values(choice) for choice in arguments])
    if origin is list:
        return st.lists(values(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values(arguments[0]), values(arguments[1]), max_size=3)
    return {str: TEXT, int: st.integers(), bool: st.booleans(), float: FLOATS, type(None): st.none()}[hint]


def records_of(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of one kind; fields with a default are often left at it."""
    hints = typing.get_type_hints(kind)
    required = {item.name: values(hints[item.name]) for item in fields(kind) if _required(item)}
    optional = {item.name: values(hints[item.name]) for item in fields(kind) if not _required(item)}
    return st.fixed_dictionaries(required, optional=optional).map(lambda chosen: kind(**chosen))


def _required(item: Any) -> bool:
    return item.default is MISSING and item.default_factory is MISSING


RECORDS = st.one_of([records_of(kind) for kind in KINDS.values()])
BODIES = st.one_of([records_of(kind) for kind in KINDS.values() if kind not in {Segment, End}])
HEADERS = records_of(Segment)


def header(**changed: Any) -> Segment:
    """A plain segment header."""
    plain = {
        "schema_version": SCHEMA_VERSION,
        "host": "pi-01",
        "role": "flower-supernode",
        "pid": 23,
        "clock": "monotonic/boot/0",
        "mono_ns": 29,
        "wall_ns": 31,
        "exec_mono_ns": 19,
    }
    return Segment(**{**plain, **changed})


def trailer(**changed: Any) -> End:
    """A trailer whose count and digest the writer fills in."""
    return End(**{"records": 0, "sha256": "", "mono_ns": 37, **changed})
