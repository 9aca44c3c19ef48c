"""Spool folders become one container; what was cut off is said, what is damaged is named and left out."""

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


def test_every_damaged_file_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    records = Scene(nodes=hosts(2)).records()
    spooled(tmp_path, records)
    names = ["pi1-flower-supernode-100", "pi2-flower-supernode-110"]
    for name in names:
        path = tmp_path / name[:3] / f"{name}.jsonl"
        path.write_bytes(path.read_bytes().replace(b'"kind":"rpc"', b'"kind":"rpx"', 1))
    loaded = load_spools(tmp_path)
    assert [(file.name, file.host, file.role) for file in loaded.unreadable] == [
        (name, name[:3], "flower-supernode") for name in names
    ]
    assert all(file.reason.startswith(f"{file.name}.jsonl:") for file in loaded.unreadable), "no path of this machine"
    assert len(loaded.segments) == len(records.segments) - 2


def test_a_file_without_a_readable_header_is_known_by_its_name(tmp_path: Path) -> None:
    spooled(tmp_path, Scene(nodes=hosts(1)).records())
    (tmp_path / "pi-a-flower-supernode-7-9000.jsonl").write_bytes(b"\xff\n")
    (tmp_path / "stray.jsonl").write_bytes(b"[]\n")
    found = {file.name: (file.host, file.role) for file in load_spools(tmp_path).unreadable}
    assert found == {"pi-a-flower-supernode-7-9000": ("pi-a", "flower-supernode"), "stray": ("", "")}


def test_only_damaged_files_are_one_error_that_names_each(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_bytes(b"[]\n")
    with pytest.raises(SpoolError, match=r"(?s)none of 2 spool files can be used.*one\.jsonl.*two\.jsonl"):
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
