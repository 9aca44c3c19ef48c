"""Parquet keeps records exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis import store
from analysis.load import Records, SegmentRecords, Unreadable
from instrument.records import KINDS, SCHEMA_VERSION, End, Record, Segment

INTS = st.integers(-(2**63), 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]))
TEXT = st.text() | st.just("\ufdd0json:\udcff")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def a(kind: type[Record]) -> st.SearchStrategy[Record]:
    """Any record of a kind, every field drawn within its type."""
    fields = {}
    for name, hint in store._hints(kind).items():
        optional = hint in store._TYPES and "None" in str(kind.__annotations__[name])
        value = {
            int: INTS,
            float: FLOATS,
            str: TEXT,
            bool: st.booleans(),
            list[str]: st.lists(TEXT, max_size=3),
            dict[str, str]: st.dictionaries(TEXT, TEXT, max_size=3),
            dict[str, float]: st.dictionaries(TEXT, FLOATS, max_size=3),
            dict[str, int | float]: st.dictionaries(TEXT, INTS | FLOATS, max_size=3),
        }[hint]
        fields[name] = st.none() | value if optional else value
    if kind is Segment:
        fields["schema_version"] = st.just(SCHEMA_VERSION)
    return st.builds(kind, **fields)


HEADER = Segment(
    schema_version=SCHEMA_VERSION, host="pi", role="r", pid=1, clock="c", mono_ns=1, wall_ns=2, exec_mono_ns=0
)
BODY = [kind for name, kind in KINDS.items() if name not in ("segment", "end")]
SEGMENTS = st.builds(
    SegmentRecords,
    name=NAMES,
    header=a(Segment),
    records=st.lists(st.one_of([a(kind) for kind in BODY]), max_size=5).map(tuple),
    end=st.none() | a(End),
    torn_bytes=st.integers(0, 2**40),
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(
    segments=st.lists(SEGMENTS, min_size=1, max_size=3, unique_by=lambda segment: segment.name),
    empty=st.lists(NAMES, max_size=2),
    unreadable=st.lists(st.builds(Unreadable, name=TEXT, host=TEXT, role=TEXT, reason=TEXT), max_size=2),
)
def test_what_is_loaded_is_what_was_written(
    segments: list[SegmentRecords], empty: list[str], unreadable: list[Unreadable]
) -> None:
    records = Records(
        segments=tuple(sorted(segments, key=lambda segment: segment.name)),
        empty=tuple(empty),
        unreadable=tuple(unreadable),
    )
    with TemporaryDirectory() as folder:
        store.write(records, Path(folder) / "records")
        assert store.load(Path(folder) / "records") == records


def test_a_second_write_replaces_the_first_whole(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    (tmp_path / "records" / "sample.parquet").write_bytes(b"stale")
    records = Records(segments=(SegmentRecords(name="s", header=HEADER, records=(), end=None),))
    store.write(records, tmp_path / "records")
    assert store.load(tmp_path / "records") == records
    assert [path.name for path in tmp_path.iterdir()] == ["records"]


def test_records_of_another_schema_version_are_refused(tmp_path: Path) -> None:
    header = replace(HEADER, schema_version=SCHEMA_VERSION + 1)
    store.write(Records(segments=(SegmentRecords(name="s", header=header, records=(), end=None),)), tmp_path / "r")
    with pytest.raises(store.StoreError, match=f"schema version {SCHEMA_VERSION + 1}, this fedprobe reads"):
        store.load(tmp_path / "r")


def test_a_folder_without_headers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(store.StoreError, match="holds no records"):
        store.load(tmp_path)


def test_a_damaged_file_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "segment.parquet").write_bytes(b"not parquet")
    with pytest.raises(store.StoreError, match=r"segment\.parquet cannot be read"):
        store.load(tmp_path)
