"""Processes that die while they record: `python crashing.py KIND FOLDER SEED COUNT` prints a JSON line for each.

Each is forked from this one, which has one thread, and is really killed.

KIND `calls`: at a seeded call of its disk, its probe flushed by hand.
KIND `moments`: at a seeded moment, its probe's own thread writing on its beat.
KIND `full`: as `calls`, on a real disk of five pages, full or but for one page until room is made. It mounts, and is
to be run in a mount namespace of its own.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from dying_disk import Account, Death, DyingDisk, Fullness

from instrument import folders, spool
from instrument.clock import ManualClock, SystemClock
from instrument.identity import segment_header
from instrument.probe import Probe
from instrument.records import Fault
from instrument.spool import SegmentWriter

RECORDS = 23
ROOM_AFTER = 15
PAGE_BYTES, PAGES = 4096, 5
WORDS = ("naïve", "größer", "😀", "線", "a", "\u2028", '"', "\\", "\n", "\0", "~" * 70)


def text(seed: int, number: int) -> str:
    """What the record with a number says: some are longer than a block of the disk, many bytes parts of letters."""
    chosen = random.Random(f"{seed}/{number}")
    return "".join(chosen.choices(WORDS, k=chosen.choice([0, 3, 7, 300])))


def path_of(base: Path, point: int) -> Path:
    return base / str(point) / "spool" / "pi1-crashing.jsonl"


def dies_at_a_call(base: Path, seed: int, point: int, account: Account) -> None:
    """Record, flush now and then, close; the disk ends it somewhere on the way, or never."""
    chosen = random.Random(f"{seed}/{point}/calls")
    death = Death(chosen.randint(1, 34), chosen.choice(["before", "after", "inside"]), chosen.random())
    full = chosen.random() < 0.4 and not (base / "ballast").exists()
    first = chosen.randint(1, 20)
    disk = DyingDisk(
        account, base, death, Fullness(first, first + chosen.randint(1, 9), chosen.randint(0, 5000)) if full else None
    )
    use(disk)
    probe = Probe(lambda: writer(path_of(base, point)), clock=ManualClock())
    for number in range(RECORDS):
        if number == ROOM_AFTER:
            (base / "ballast").unlink(missing_ok=True)
        account["emitted"] = number + 1  # before it is handed over: what is read must not be more
        probe.emit(Fault(where="crash", error=text(seed, number), mono_ns=number))
        if chosen.random() < 0.6:
            probe.flush()
            note(probe, account, number + 1)
    probe.close()
    note(probe, account, RECORDS)


def note(probe: Probe, account: Account, handed_over: int) -> None:
    """What the probe believes to be written and synced."""
    if not probe._unwritten:
        account["written"] = handed_over
        if probe._writer is not None and not probe._writer.unsynced:
            account["synced"] = handed_over


def dies_at_a_moment(base: Path, _seed: int, point: int, account: Account) -> None:
    """Record without end; every record says when."""
    use(DyingDisk(account, base))
    clock = SystemClock()
    probe = Probe(lambda: writer(path_of(base, point)), clock=clock)
    probe.start()
    while True:
        account["emitted"] += 1
        probe.emit(Fault(where="crash", error=str(account["emitted"]), mono_ns=clock.mono_ns()))
        time.sleep(0.003)


def use(disk: DyingDisk) -> None:
    spool.os = folders.os = disk  # type: ignore[assignment]


def writer(path: Path) -> SegmentWriter:
    return SegmentWriter(path, segment_header("crashing", {"FEDPROBE_HOST": "pi1"}, ["crashing"]))


def forked(body: Callable[[Path, int, int, Account], None], base: Path, seed: int, point: int) -> tuple[int, Account]:
    account = Account()
    pid = os.fork()
    if pid == 0:
        try:
            body(base, seed, point, account)
        finally:
            os._exit(0)
    return pid, account


def at_calls(base: Path, seed: int, count: int) -> None:
    for point in range(count):
        pid, account = forked(dies_at_a_call, base, seed, point)
        _, status = os.waitpid(pid, 0)
        tell(point, status, account)


def at_calls_of_a_small_disk(base: Path, seed: int, count: int) -> None:
    for point in range(count):
        small, kept = base / f"disk{point}", path_of(base, point)
        small.mkdir()
        kept.parent.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={PAGES * PAGE_BYTES}", "tmpfs", str(small)], check=True)
        (small / "ballast").write_bytes(bytes((PAGES - point % 2) * PAGE_BYTES))
        pid, account = forked(dies_at_a_call, small, seed, point)
        _, status = os.waitpid(pid, 0)
        if path_of(small, point).exists():
            shutil.copyfile(path_of(small, point), kept)
        tell(point, status, account)


def at_moments(base: Path, seed: int, count: int) -> None:
    """All at once, so that they take no longer than one."""
    chosen = random.Random(f"{seed}/moments")
    clock = SystemClock()
    begun_ns = clock.mono_ns()
    kills = sorted((chosen.randint(1_100_000_000, 2_900_000_000), point) for point in range(count))
    running = {point: forked(dies_at_a_moment, base, seed, point) for _, point in kills}
    for after_ns, point in kills:
        clock.sleep_until_mono_ns(begun_ns + after_ns)
        pid, account = running[point]
        waited_ns = waited_for_a_core_ns(pid)
        kill_ns = clock.mono_ns()
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        tell(point, status, account, kill_ns=kill_ns, waited_ns=waited_ns)


def waited_for_a_core_ns(pid: int) -> int:
    """How long the threads of a process were ready to run and did not, by the kernel's account."""
    files = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(file.read_text().split()[1]) for file in files)


def tell(point: int, status: int, account: Account, **more: int) -> None:
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    print(json.dumps({"point": point, "killed": killed, **account.facts(), **more}))


if __name__ == "__main__":
    kind, folder, seed, count = sys.argv[1:]
    {"calls": at_calls, "moments": at_moments, "full": at_calls_of_a_small_disk}[kind](
        Path(folder), int(seed), int(count)
    )
