"""Spool folders become one container; what was cut off is said, what is damaged is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from synthetic import Scene
from writers import hosts

from analysis.load import Records, load_spools
from analysis.trial import load_spool
from instrument.records import Span
from instrument.spool import SegmentWriter, SpoolError


def spooled(folder: Path, records: Records) -> None:
    """Write each segment as its process would have, in a folder of its host."""
    for segment in records.segments:
        from instrument.records import encode

        writer = SegmentWriter(folder / segment.header.host / f"{segment.name}.jsonl", segment.header)
        writer.append([encode(record) for record in segment.records])
        if segment.end is not None:
            writer.end(segment.end)


def test_folders_of_several_hosts_are_read_together(tmp_path: Path) -> None:
    records = Scene(nodes=hosts(2)).records()
    spooled(tmp_path, records)
    loaded = load_spools(tmp_path / "server", tmp_path / "pi1", tmp_path / "pi2", tmp_path / "pi2")
    assert [segment.name for segment in loaded.segments] == [segment.name for segment in records.segments]
    assert [segment.records for segment in loaded.segments] == [segment.records for segment in records.segments]
    assert loaded.count == records.count == sum(1 for _ in loaded.of(object))
    assert not any(segment.cut for segment in loaded.segments)


def test_a_killed_process_is_reported_and_its_records_used(tmp_path: Path) -> None:
    spooled(tmp_path, Scene(nodes=hosts(1)).records())
    victim = tmp_path / "pi1" / "pi1-flwr-clientapp-1000.jsonl"
    lines = victim.read_bytes().splitlines(keepends=True)
    victim.write_bytes(b"".join(lines[:5]) + lines[5][:20])
    (tmp_path / "pi1" / "pi1-flwr-clientapp-1001.jsonl").write_bytes(b"")
    trial = load_spool(tmp_path)
    assert trial.cut_segments == ["pi1-flwr-clientapp-1000", "pi1-flwr-clientapp-1001"]
    segment = next(each for each in load_spools(tmp_path).segments if each.cut)
    assert (len(segment.records), segment.torn_bytes) == (4, 20)


def test_every_damaged_file_is_named_in_one_error(tmp_path: Path) -> None:
    spooled(tmp_path, Scene(nodes=hosts(2)).records())
    for name in ("pi1/pi1-flower-supernode-100", "pi2/pi2-flower-supernode-110"):
        path = tmp_path / f"{name}.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"kind":"rpc"', b'"kind":"rpx"', 1))
    with pytest.raises(SpoolError, match=r"(?s)2 of \d+ spool files.*supernode-100.*supernode-110"):
        load_spools(tmp_path)


def test_two_copies_of_a_run_are_refused(tmp_path: Path) -> None:
    for copy in ("one", "two"):
        spooled(tmp_path / copy, Scene(nodes=hosts(1)).records())
    with pytest.raises(SpoolError, match="one copy of a run, not two"):
        load_spools(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="no spool file"):
        load_spools(tmp_path)


def test_records_are_found_by_kind_and_role() -> None:
    records = Scene(nodes=hosts(3)).records()
    assert len(records.role("flower-supernode", "flwr-serverapp")) == 4
    launches = [span for _, span in records.of(Span) if span.name == "launch"]
    assert len(launches) == 3
    assert not replace(records, segments=()).count
