"""TOML that is written is TOML that reads back as it was."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from testbed.toml_text import toml_text

values = st.recursive(
    st.text(st.characters(exclude_categories=["Cs"])) | st.integers(-(2**63), 2**63 - 1) | st.booleans()
    | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def _has_table_in_mixed_list(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_table_in_mixed_list(one) for one in value.values())
    if isinstance(value, list):
        tables = [isinstance(one, dict) for one in value]
        nested = any(isinstance(one, list) and _contains_table(one) for one in value)
        return nested or (any(tables) and not all(tables)) or any(_has_table_in_mixed_list(one) for one in value)
    return False


def _contains_table(value: object) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and any(_contains_table(one) for one in value))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), values, max_size=4).filter(
    lambda document: not _has_table_in_mixed_list(document)
))  # fmt: skip
def test_toml_reads_back_as_it_was(document: dict[str, object]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_what_toml_cannot_say_is_refused() -> None:
    with pytest.raises(TypeError, match="no form for"):
        toml_text({"key": object()})
    assert toml_text({"left out": None, "kept": 1}) == "kept = 1\n"
