"""A spool file cut anywhere keeps every whole line; one that was changed is refused."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import BODIES, HEADERS, header, trailer

from instrument.records import SCHEMA_VERSION, Fault, Record, Segment, encode
from instrument.spool import (
    NoHeaderError,
    SchemaError,
    SegmentWriter,
    SpoolError,
    read_segment,
    segment_name,
    spool_files,
)


def fault(number: int) -> Fault:
    return Fault(where="here", error=f"fault {number}, it said: \n", mono_ns=number)


def written(path: Path, records: list[Record], *, end: bool = True) -> Path:
    writer = SegmentWriter(path, header())
    for record in records:
        writer.append([encode(record)])
    if end:
        writer.end(trailer())
    return path


def current(head: Segment) -> Segment:
    return replace(head, schema_version=SCHEMA_VERSION)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spool")


@settings(max_examples=50)
@given(
    head=HEADERS.map(lambda head: replace(head, schema_version=SCHEMA_VERSION)),
    records=st.lists(BODIES, max_size=7),
    blocks=st.integers(1, 3),
)
def test_what_was_written_is_read(folder: Path, head, records: list[Record], blocks: int) -> None:
    path = folder / f"{len(spool_files(folder))}.jsonl"
    writer = SegmentWriter(path, head)
    for first in range(0, len(records), blocks):
        writer.append([encode(record) for record in records[first : first + blocks]])
    writer.end(trailer(dropped=0))
    segment = read_segment(path)
    assert (segment.header, segment.records, segment.torn_bytes, segment.whole) == (head, records, 0, True)


def test_a_file_cut_at_any_byte_loses_at_most_the_torn_last_line(tmp_path: Path) -> None:
    records: list[Record] = [fault(number) for number in range(7)]
    whole = written(tmp_path / "whole.jsonl", records).read_bytes()
    cut = tmp_path / "cut.jsonl"
    for length in range(len(whole)):
        cut.write_bytes(whole[:length])
        lines = whole[:length].count(b"\n")
        if lines == 0:
            with pytest.raises(SpoolError, match="no header line"):
                read_segment(cut)
            continue
        segment = read_segment(cut)
        assert segment.records == records[: lines - 1], length
        assert segment.end is None
        assert not segment.whole
        assert segment.torn_bytes == length - (whole[:length].rfind(b"\n") + 1)


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [fault(number) for number in range(3)])
    whole = path.read_bytes()
    trailer_start = whole.rstrip(b"\n").rfind(b"\n")
    for place in range(trailer_start):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SpoolError):
            read_segment(path)


def test_a_removed_line_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [fault(number) for number in range(3)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    with pytest.raises(SpoolError, match="counts 3 records, the file holds 2"):
        read_segment(path)


@pytest.mark.parametrize("damage", [b"\xff\n", b"not json\n", b'{"kind":"unheard"}\n'])
def test_a_damaged_whole_line_is_named(tmp_path: Path, damage: bytes) -> None:
    path = written(tmp_path / "a.jsonl", [fault(1)], end=False)
    path.write_bytes(path.read_bytes() + damage)
    with pytest.raises(SpoolError, match=r"a\.jsonl:3"):
        read_segment(path)


@pytest.mark.parametrize(
    "tail", [b"\0", b"\0\0\0\n", bytes(4096), b"\0\0" + b'"mono_ns":7}\n{"kind":"fau', b'{"k\0\0\n{}\n']
)
def test_zeros_are_a_tail_that_never_reached_the_disk(tmp_path: Path, tail: bytes) -> None:
    path = written(tmp_path / "a.jsonl", [fault(1), fault(2)], end=False)
    path.write_bytes(path.read_bytes() + tail)
    segment = read_segment(path)
    assert segment.records == [fault(1), fault(2)]
    assert (segment.end, segment.torn_bytes) == (None, len(tail))


@pytest.mark.parametrize("content", [b"", b'{"kind":"segm', bytes(4096), b"\0\n"])
def test_a_file_without_a_whole_line_is_told_apart_from_a_damaged_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(NoHeaderError, match="no header line"):
        read_segment(path)


def test_a_file_with_a_header_alone_is_a_process_that_measured_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    SegmentWriter(path, header()).append([])
    segment = read_segment(path)
    assert (segment.header, segment.records, segment.end) == (header(), [], None)


def test_a_file_that_starts_with_a_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(encode(fault(1)) + "\n")
    with pytest.raises(SpoolError, match="does not start with a segment header"):
        read_segment(path)


@pytest.mark.parametrize("version", [0, 1, SCHEMA_VERSION + 1, "2", None])
def test_a_file_of_another_schema_version_is_refused_by_name(tmp_path: Path, version: object) -> None:
    """Its fields may be unknown here: the version is told, and not the first field that is."""
    path = written(tmp_path / "a.jsonl", [fault(1)])
    head, *rest = path.read_text().splitlines()
    body = {**json.loads(head), "schema_version": version, "unheard_of": 1, "versions": {"fedprobe": "9.9.9"}}
    path.write_text("\n".join([json.dumps(body), *rest]) + "\n")
    with pytest.raises(SchemaError) as refused:
        read_segment(path)
    said = str(refused.value)
    assert said.startswith(f"{path}: its records have schema version {version}, ")
    assert f"reads version {SCHEMA_VERSION}." in said
    assert said.endswith("Report it with the fedprobe that wrote it, 9.9.9.")


def test_a_dropped_record_makes_a_segment_not_whole(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.jsonl", header())
    writer.end(trailer(dropped=1))
    assert not read_segment(tmp_path / "a.jsonl").whole


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    writer = SegmentWriter(path, header())
    writer.append([encode(fault(1))])
    before, write = path.read_bytes(), os.write

    def half(file: int, block: bytes) -> int:
        if len(block) < 50:
            raise OSError(28, "No space left on device")
        return write(file, block[: len(block) // 2])

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(SpoolError, match="No space left"):
        writer.append([encode(fault(2))])
    assert path.read_bytes() == before
    monkeypatch.undo()
    writer.append([encode(fault(2))])
    writer.end(trailer())
    assert read_segment(path).records == [fault(1), fault(2)]


def test_a_spool_file_is_never_written_twice(tmp_path: Path) -> None:
    path = written(tmp_path / "a.jsonl", [])
    with pytest.raises(SpoolError, match="cannot create"):
        SegmentWriter(path, header())


def test_what_a_failed_write_left_is_removed_before_the_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the disk refuses that too at first: half a line must not get another one behind it."""
    path = tmp_path / "a.jsonl"
    writer = SegmentWriter(path, header())
    writer.append([encode(fault(1))])
    write = os.write

    def half(file: int, block: bytes) -> int:
        if len(block) < 50:
            raise OSError(5, "Input/output error")
        return write(file, block[: len(block) // 2])

    def refuse(*_: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(os, "write", half)
        broken.setattr(os, "ftruncate", refuse)
        for _ in range(2):
            with pytest.raises(SpoolError, match="Input/output error"):
                writer.append([encode(fault(2))])
    assert read_segment(path).torn_bytes > 0
    writer.append([encode(fault(2))])
    writer.end(trailer())
    assert read_segment(path).records == [fault(1), fault(2)]


def test_a_name_is_on_the_disk_with_the_first_sync_and_no_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    writer = SegmentWriter(tmp_path / "trial" / "spool" / "a.jsonl", header())
    assert not writer.unsynced
    writer.append([])
    assert writer.unsynced
    writer.sync()
    assert not writer.unsynced
    folders = [tmp_path, tmp_path / "trial", tmp_path / "trial" / "spool"]
    assert synced == [str(one) for one in (writer.path, *folders)]
    del synced[:]
    writer.append([encode(fault(1))])
    writer.sync()
    writer.end(trailer())
    assert synced == [str(writer.path)] * 2


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_cannot_write_to_its_parents_file(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    writer = SegmentWriter(path, header())
    writer.append([encode(fault(1))])
    refused, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            writer.append([encode(fault(2))])
        except SpoolError as error:
            os.write(told, str(error).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    os.close(told)
    with os.fdopen(refused) as said:
        assert f"belongs to process {os.getpid()}" in said.read()
    writer.end(trailer())
    assert read_segment(path).records == [fault(1)]


@given(st.text(max_size=20))
def test_a_segment_name_is_a_plain_file_name(host: str) -> None:
    name = segment_name(header(host=host))
    assert "/" not in name
    assert name.isascii()
    assert name.endswith("-flower-supernode-23-29.jsonl")
