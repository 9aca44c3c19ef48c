"""200 seeded crash points of a spool file: what was flushed is read, in order, and nothing else.

100 cuts at any byte of real files, 88 deaths at a call of the disk (half of them judged as kills, half as power
cuts), 12 processes with the probe's own thread, killed at any moment. And 12 more on a disk that is really full.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from instrument.records import Fault
from instrument.spool import NoHeaderError, SegmentFile, read_segment
from tests import tiers
from tests.instrument.crash.crashing import RECORDS, path_of, text

SEED = 20261126
CUTS, CALLS, MOMENTS = 100, 88, 12
BLOCK_BYTES = 512  # the smallest that a disk writes
FULL = 12
PROMISED_NS = 1_000_000_000
CRASHING = Path(__file__).with_name("crash") / "crashing.py"


@dataclass(frozen=True)
class Death:
    """What is known of one process that died, and the file that it left."""

    point: int
    path: Path
    killed: bool
    emitted: int
    written: int
    synced: int
    durable_bytes: int
    named: bool
    calls: int
    refused: int
    kill_ns: int = 0
    waited_ns: int = 0


def deaths(kind: str, base: Path, count: int, repository: Path, *before: str) -> list[Death]:
    done = subprocess.run(
        [*before, sys.executable, str(CRASHING), kind, str(base), str(SEED), str(count)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(repository)},
        check=True,
        timeout=120,
    )
    facts = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(facts) == count
    return [Death(**{**fact, "path": path_of(base, fact["point"]), "named": bool(fact["named"])}) for fact in facts]


@pytest.fixture(scope="module")
def at_calls(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> list[Death]:
    return deaths("calls", tmp_path_factory.mktemp("calls"), CALLS, repository)


@pytest.fixture(scope="module")
def at_moments(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> list[Death]:
    return deaths("moments", tmp_path_factory.mktemp("moments"), MOMENTS, repository)


def read(path: Path) -> SegmentFile | None:
    """The file, as a report reads it; None where there is nothing to read."""
    try:
        return read_segment(path)
    except (FileNotFoundError, NoHeaderError):
        return None


def recorded(segment: SegmentFile | None) -> Sequence[Fault]:
    if segment is None:
        return []
    assert all(isinstance(record, Fault) for record in segment.records)
    return [record for record in segment.records if isinstance(record, Fault)]


def after_the_power_cut(death: Death, chosen: random.Random) -> Iterator[bytes]:
    """The file as a power cut may leave it: what was not synced is gone, or zeros, or each block goes its own way."""
    if not death.named:
        return
    content = death.path.read_bytes()
    sure, rest = content[: death.durable_bytes], content[death.durable_bytes :]
    yield sure
    yield sure + rest[: chosen.randint(0, len(rest))]
    yield sure + bytes(len(rest))
    for _ in range(5):
        yield sure + b"".join(
            block if chosen.random() < 0.5 else bytes(len(block)) for block in blocks(rest, len(sure))
        )


def blocks(content: bytes, start: int) -> list[bytes]:
    """The content, parted where the blocks of a disk are, when it begins at a byte of the file."""
    first = BLOCK_BYTES - start % BLOCK_BYTES
    return [content[:first], *(content[at : at + BLOCK_BYTES] for at in range(first, len(content), BLOCK_BYTES))]


def test_deaths_are_of_every_kind(at_calls: list[Death]) -> None:
    """Else the others show little."""
    assert sum(death.killed for death in at_calls) > CALLS * 2 // 3
    assert any(not death.killed for death in at_calls)
    assert any(death.calls == 1 for death in at_calls)
    assert any(death.path.exists() and death.path.stat().st_size == 0 for death in at_calls)
    assert any(death.synced < death.written for death in at_calls)
    assert any(0 < death.written < death.emitted for death in at_calls)
    assert any(death.written and not death.named for death in at_calls)


def test_a_process_killed_at_a_call_of_the_disk_leaves_all_that_it_wrote(at_calls: list[Death]) -> None:
    for death in at_calls[::2]:
        segment = read(death.path)
        expect_flushed(death, segment, at_least=death.written)
        assert death.killed or (segment is not None and segment.whole)


def test_a_power_cut_leaves_all_that_was_synced(at_calls: list[Death], tmp_path: Path) -> None:
    for death in at_calls[1::2]:
        assert death.named or not death.synced
        for content in after_the_power_cut(death, random.Random(f"{SEED}/{death.point}/power")):
            path = tmp_path / f"{death.point}.jsonl"
            path.write_bytes(content)
            expect_flushed(death, read(path), at_least=death.synced)


@pytest.mark.netns
def test_a_process_killed_on_a_disk_that_is_really_full_leaves_all_that_it_wrote(
    tmp_path: Path, repository: Path
) -> None:
    """Its probe was refused, tried again, and wrote on when there was room."""
    found = deaths("full", tmp_path, FULL, repository, "unshare", "--mount")
    for death in found:
        expect_flushed(death, read(death.path), at_least=death.written)
    refused = [death for death in found if death.refused]
    assert len(refused) > FULL // 2
    assert any(death.killed and death.written > 15 for death in refused), "none wrote on"


def expect_flushed(death: Death, segment: SegmentFile | None, *, at_least: int) -> None:
    found = recorded(segment)
    assert at_least <= len(found) <= death.emitted, death
    assert [(one.mono_ns, one.error) for one in found] == [(n, text(SEED, n)) for n in range(len(found))], death
    if segment is not None and segment.end is not None:
        assert segment.end.records == len(found) == RECORDS, death


def test_a_file_cut_at_any_byte_is_read_up_to_the_cut(at_calls: list[Death], tmp_path: Path) -> None:
    whole = [death for death in at_calls if death.path.exists() and death.written >= 7]
    chosen = random.Random(f"{SEED}/cuts")
    cut = tmp_path / "cut.jsonl"
    for number in range(CUTS):
        content = chosen.choice(whole).path.read_bytes()
        in_letters = [at for at, byte in enumerate(content) if byte & 0xC0 == 0x80]
        length = chosen.choice(in_letters) if number % 4 == 0 else chosen.randint(0, len(content))
        cut.write_bytes(content[:length])
        lines = content[:length].split(b"\n")[:-1]
        trailer = bool(lines) and b'"kind":"end"' in lines[-1]
        segment = read(cut)
        assert (segment is None) == (not lines)
        assert len(recorded(segment)) == max(0, len(lines) - 1 - trailer)
        assert [(one.mono_ns, one.error) for one in recorded(segment)] == [
            (n, text(SEED, n)) for n in range(len(recorded(segment)))
        ]
        assert segment is None or (segment.end is not None) == trailer


def test_no_more_than_the_last_second_is_lost(at_moments: list[Death], tmp_path: Path) -> None:
    """By the records' own stamps and the kill's, on one clock; waiting for a core is the machine's."""
    killed, cut = [], []
    for death in at_moments:
        segment = read(death.path)
        assert segment is not None
        assert segment.end is None
        killed.append(unflushed_ns(death, segment))
        assert death.named
        path = tmp_path / f"{death.point}.jsonl"
        path.write_bytes(death.path.read_bytes()[: death.durable_bytes])
        synced = read(path)
        assert synced is not None
        cut.append(unflushed_ns(death, synced))
    assert any(ns > 0.1 * PROMISED_NS for ns in killed), "no process was killed between two beats"
    tiers.REMARKS.append(
        f"crash points: {CUTS + CALLS + MOMENTS}, flushed records lost 0, records invented 0; "
        f"unflushed at most {max(killed) / 1e9:.2f} s at a kill, {max(cut) / 1e9:.2f} s at a power cut"
    )


def unflushed_ns(death: Death, segment: SegmentFile) -> int:
    """How long before the kill the last record was made that was kept: none that was lost is older."""
    found = recorded(segment)
    assert [one.error for one in found] == [str(number) for number in range(1, len(found) + 1)]
    if len(found) == death.emitted:
        return 0
    age_ns = death.kill_ns - found[-1].mono_ns
    assert age_ns <= PROMISED_NS + death.waited_ns, death
    return age_ns
