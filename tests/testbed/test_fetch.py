"""Fetching goes on where it was cut off, is proved by count and digest, and only then does a host delete."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from analysis.load import load_spools
from instrument.records import SCHEMA_VERSION, End, Fault, Segment, encode
from instrument.spool import SegmentWriter
from testbed import fetch, fetch_sources
from testbed.delete_fetched import delete_on
from testbed.errors import UnreachableError
from testbed.fetch import fetch_from
from testbed.fetch_sources import KINDS, Source
from testbed.fetched import FILE, is_complete, read_fetched
from testbed.held import compare
from testbed.local_files import LocalFiles
from testbed.local_shell import local_shell
from testbed.run_folder import TrialFolder
from testbed.shell import RemoteFile, Shell
from testbed.ssh import connect
from tests.testbed.cut_network import CutNetwork
from tests.testbed.real_sshd import Sshd

RECORDS = 23
LARGE_BYTES = 4_000_000


class Host:
    """A host's trial folder, as its processes left it."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        for kind in ("spool", "logs"):
            (self.folder / kind).mkdir(parents=True)
        (self.folder / "logs" / "supernode.log").write_text("started\n")
        (self.folder / "logs" / "large.log").write_bytes(random.Random(name).randbytes(LARGE_BYTES))
        for number in range(3):
            self.segment(number, records=RECORDS)

    def segment(self, pid: int, *, records: int, end: bool = True) -> Path:
        header = Segment(
            schema_version=SCHEMA_VERSION,
            host=self.name,
            role="flower-supernode",
            pid=pid,
            clock="monotonic/boot/0",
            mono_ns=29,
            wall_ns=31,
            exec_mono_ns=19,
        )
        path = self.folder / "spool" / f"{self.name}-flower-supernode-{pid}-29.jsonl"
        writer = SegmentWriter(path, header)
        writer.append([encode(Fault(where="größer", error="", mono_ns=number)) for number in range(records)])
        if end:
            writer.end(End(records=0, sha256="", mono_ns=37))
        return path

    @property
    def files(self) -> dict[str, bytes]:
        return contents(self.folder)

    def source(self, connected: ExitStack) -> Source:
        def open_shell() -> Shell:
            return local_shell(self.name)

        folders = {kind: str(self.folder / kind) for kind in KINDS}
        shell = connected.enter_context(open_shell())
        return Source(name=self.name, folders=folders, shell=shell, connect=open_shell)

    def source_over(self, network: CutNetwork, sshd: Sshd, folder: Path, connected: ExitStack) -> Source:
        login = network.login(sshd, self.name, folder)
        folders = {kind: str(self.folder / kind) for kind in KINDS}
        shell = connected.enter_context(connect(login))
        return Source(name=self.name, folders=folders, shell=shell, connect=lambda: connect(login))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def fetched_of(trial: TrialFolder, name: str) -> dict[str, bytes]:
    found = {}
    for kind in KINDS:
        found |= {f"{kind}/{path}": content for path, content in contents(trial.path / kind / name).items()}
    return found


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path, "pi1")


@pytest.fixture
def trial(tmp_path: Path) -> TrialFolder:
    folder = TrialFolder(tmp_path / "run" / "trials" / "000-5g-r1")
    folder.enter("fetching")
    return folder


@pytest.fixture
def connected() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Which files were written here, and from which byte on."""
    found: list[tuple[str, int]] = []
    real = LocalFiles.write

    def write(self: LocalFiles, path: str, start: int, blocks: Iterable[bytes]) -> None:
        found.append((Path(path).name, start))
        real(self, path, start, blocks)

    monkeypatch.setattr(LocalFiles, "write", write)
    return found


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "RETRY_S", 0.05)


@pytest.mark.sshd
def test_a_network_that_goes_away_in_the_middle_costs_nothing(
    host: Host,
    trial: TrialFolder,
    connected: ExitStack,
    sshd: Sshd,
    tmp_path: Path,
    starts: list[tuple[str, int]],
) -> None:
    network = connected.enter_context(CutNetwork(sshd.login.port, left_bytes=LARGE_BYTES // 2))
    source = host.source_over(network, sshd, tmp_path, connected)
    (problem,) = fetch_from([source], trial)
    assert problem.startswith("pi1: ")
    assert not is_complete(trial.path, ["pi1"])
    assert trial.facts["state"] == "fetching"
    assert not trial.facts["files"]["pi1"]["complete"]
    part = trial.path / "logs" / "pi1" / "large.log.part"
    here_already = part.stat().st_size
    assert 0 < here_already < LARGE_BYTES
    assert delete_on([source], trial) == []
    network.comes_back()
    again = TrialFolder(trial.path)  # another process, hours later
    assert fetch_from([source], again) == []
    assert starts[-1] == ("supernode.log.part", 0)
    assert [start for name, start in starts if name == part.name] == [0, here_already]
    assert len(starts) == len(host.files) + 1, "nothing else was copied twice"
    assert fetched_of(trial, "pi1") == host.files
    assert is_complete(trial.path, ["pi1"])
    told = json.loads((trial.path / "trial.json").read_text())["files"]["pi1"]
    assert (told["files"], told["records"], told["segments"]) == (5, 3 * RECORDS, {"whole": 3})
    assert told["bytes"] == sum(map(len, host.files.values()))


@pytest.mark.sshd
def test_a_network_that_comes_back_in_time_is_waited_for(
    host: Host, trial: TrialFolder, connected: ExitStack, sshd: Sshd, tmp_path: Path
) -> None:
    network = connected.enter_context(CutNetwork(sshd.login.port, left_bytes=LARGE_BYTES // 2))
    source = host.source_over(network, sshd, tmp_path, connected)

    def back_after_a_refusal() -> None:
        assert network.refused.wait(60)
        network.comes_back()

    helper = threading.Thread(target=back_after_a_refusal)
    helper.start()
    assert fetch_from([source], trial, limit_s=60) == []
    helper.join()
    assert fetched_of(trial, "pi1") == host.files


def test_files_and_their_names_are_on_the_disk_before_they_count_as_fetched(
    host: Host, trial: TrialFolder, connected: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut of the controller after that, when the host has deleted its own, must find them."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(file: int) -> None:
        synced.append(Path(f"/proc/self/fd/{file}").readlink())
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    assert fetch_from([host.source(connected)], trial) == []
    before = set(synced[: synced.index(trial.path / f"{FILE}.new")])
    folders = {trial.path} | {trial.path / kind for kind in ("spool", "logs")}
    folders |= {trial.path / kind / "pi1" for kind in ("spool", "logs")}
    files = {path for path in trial.path.rglob("*") if path.suffix in {".jsonl", ".log"}}
    assert before >= folders | files
    assert synced[synced.index(trial.path / f"{FILE}.new") + 1] == trial.path, "its own name as well"


def test_what_is_here_is_not_copied_again(
    host: Host, trial: TrialFolder, connected: ExitStack, starts: list[tuple[str, int]]
) -> None:
    source = host.source(connected)
    assert fetch_from([source], trial) == []
    del starts[:]
    damaged = trial.path / "logs" / "pi1" / "supernode.log"
    damaged.write_text("started!\n")
    (trial.path / "logs" / "pi1" / "large.log").unlink()
    before = read_fetched(trial.path)
    assert fetch_from([source], trial) == []
    assert fetched_of(trial, "pi1") == host.files
    assert starts == [("large.log.part", 0), ("supernode.log.part", 0)]
    assert read_fetched(trial.path) == before


def test_a_host_that_is_gone_is_not_needed_once_all_is_here(
    host: Host, trial: TrialFolder, connected: ExitStack
) -> None:
    source = host.source(connected)
    assert fetch_from([source], trial) == []
    assert fetch_from([away(source)], trial) == []
    (trial.path / "logs" / "pi1" / "supernode.log").write_text("changed\n")
    (problem,) = fetch_from([away(source)], trial)
    assert problem.startswith("pi1: no route")


def away(source: Source) -> Source:
    class Away:
        name = source.name

        def listdir(self, _remote: str) -> list[RemoteFile]:
            raise UnreachableError("pi1: no route")

    def connect_in_vain() -> Shell:
        raise UnreachableError("pi1: no route")

    shell: Shell = Away()  # type: ignore[assignment]
    return Source(name=source.name, folders=source.folders, shell=shell, connect=connect_in_vain)


def test_every_state_of_a_spool_file_is_told_and_none_but_damage_is_a_problem(
    host: Host, trial: TrialFolder, connected: ExitStack
) -> None:
    spool = host.folder / "spool"
    host.segment(3, records=0, end=False)
    torn = host.segment(4, records=RECORDS, end=False)
    torn.write_bytes(torn.read_bytes()[: -len('größer","error":"","mono_ns":22}\n'.encode()) + 3])
    (spool / "pi1-flower-supernode-5-29.jsonl").write_bytes(b"")
    zeros = host.segment(6, records=2, end=False)
    zeros.write_bytes(zeros.read_bytes() + bytes(100))
    assert fetch_from([host.source(connected)], trial) == []
    found = {file.name.split("-")[3]: file for file in read_fetched(trial.path)["pi1"].of("spool")}
    assert [(found[str(pid)].state, found[str(pid)].records) for pid in range(2, 7)] == [
        ("whole", RECORDS),
        ("cut", 0),
        ("cut", RECORDS - 1),
        ("empty", 0),
        ("cut", 2),
    ]
    assert (found["4"].torn_bytes > 0, found["6"].torn_bytes) == (True, 100)
    records = load_spools(trial.spool)
    assert records.count == trial.facts["files"]["pi1"]["records"] == 4 * RECORDS - 1 + 2
    assert records.empty == ("pi1-flower-supernode-5-29",)
    damaged = host.segment(7, records=3)
    damaged.write_bytes(damaged.read_bytes().replace(b'"mono_ns":1}', b'"mono_ns":7}'))
    (problem,) = fetch_from([host.source(connected)], trial)
    assert "pi1-flower-supernode-7-29.jsonl: SHA-256" in problem
    assert is_complete(trial.path, ["pi1"]), "it arrived as it is there"


@pytest.mark.parametrize("way", ["local", pytest.param("ssh", marks=pytest.mark.sshd)])
def test_a_host_deletes_what_is_safe_here_and_that_is_recorded(
    host: Host,
    trial: TrialFolder,
    connected: ExitStack,
    way: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if way == "local":
        source = host.source(connected)
    else:
        sshd = request.getfixturevalue("sshd")
        network = connected.enter_context(CutNetwork(sshd.login.port, left_bytes=10**12))
        source = host.source_over(network, sshd, tmp_path, connected)
    before = host.files
    assert delete_on([source], trial) == [], "nothing was fetched"
    assert host.files == before
    assert fetch_from([source], trial) == []
    assert host.files == before, "a host keeps its files unless the campaign asks"
    told = trial.facts["files"]["pi1"]
    assert told["on_host"] == "kept"
    assert delete_on([source], trial) == []
    assert host.files == {}
    assert trial.facts["files"]["pi1"] == {**told, "on_host": "deleted"}
    assert {f"{file.kind}/{file.name}" for file in read_fetched(trial.path)["pi1"].files} == set(before)
    assert fetch_from([source], trial) == [], "done again it finds all that was there"
    assert trial.facts["files"]["pi1"] == {**told, "on_host": "deleted"}
    assert fetched_of(trial, "pi1") == before
    (trial.path / "logs" / "pi1" / "supernode.log").write_text("changed\n")
    (problem,) = fetch_from([source], trial)
    assert "supernode.log: was fetched whole and deleted on pi1, and has changed since" in problem


@pytest.mark.parametrize("where", ["there", "here"])
def test_a_file_that_is_not_as_it_was_fetched_is_not_deleted(
    host: Host, trial: TrialFolder, connected: ExitStack, where: str
) -> None:
    source = host.source(connected)
    assert fetch_from([source], trial) == []
    changed = (host.folder if where == "there" else trial.path) / "logs"
    ((changed if where == "there" else changed / "pi1") / "supernode.log").write_text("more\n")
    assert delete_on([source], trial) == ["pi1: logs/supernode.log is not as it was fetched, and is kept there"]
    assert list(host.files) == ["logs/supernode.log"]
    assert trial.facts["files"]["pi1"]["on_host"] == "deleting"


def test_nothing_is_deleted_on_a_host_whose_files_are_not_all_here(
    host: Host, trial: TrialFolder, connected: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, before = host.source(connected), host.files
    real = fetch_sources.held_there

    def grows(shell: Shell, folder: str) -> object:
        found = real(shell, folder)
        if folder.endswith("logs"):
            with (host.folder / "logs" / "supernode.log").open("a") as log:
                log.write("more\n")
        return found

    monkeypatch.setattr(fetch_sources, "held_there", grows)
    (problem,) = fetch_from([source], trial)
    assert "supernode.log changed while it was fetched" in problem
    monkeypatch.undo()
    assert delete_on([source], trial) == []
    assert host.files.keys() == before.keys()


def test_two_processes_never_leave_half_a_list(host: Host, trial: TrialFolder, connected: ExitStack) -> None:
    assert fetch_from([host.source(connected)], trial) == []
    assert not list(trial.path.glob(f"{FILE}.*"))
    assert not list(trial.path.rglob("*.part"))


def test_a_spool_is_held_against_its_copy_by_count_and_digest(
    host: Host, trial: TrialFolder, connected: ExitStack
) -> None:
    source = host.source(connected)
    assert fetch_from([source], trial) == []
    there, here = source.folders["spool"], trial.spool / "pi1"
    same = compare(source.shell, there, here)
    assert same.missing == ()
    assert same.there == same.here
    assert (same.there.files, same.there.lines) == (3, 3 * (RECORDS + 2))
    assert str(same).startswith("pi1: there 3 files, 75 lines, ")
    assert str(same).endswith(": all here")
    lost = sorted(here.iterdir())[1]
    lost.write_bytes(lost.read_bytes()[:-1])
    differs = compare(source.shell, there, here)
    assert differs.missing == (lost.name,)
    assert differs.there == same.there
    assert (differs.here.lines, differs.here.sha256 == same.here.sha256) == (74, False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 6 MB for the controller."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mounted)], check=True)
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.netns
@pytest.mark.parametrize("spare_bytes", [0, -(10**9)], ids=["seen before", "met in the middle"])
def test_a_full_disk_here_is_told_once_and_fetching_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, connected: ExitStack, monkeypatch: pytest.MonkeyPatch, spare_bytes: int
) -> None:
    monkeypatch.setattr(fetch, "SPARE_BYTES", spare_bytes)
    hosts = [Host(tmp_path, name) for name in ("pi1", "pi2")]
    sources = [host.source(connected) for host in hosts]
    before = [host.files for host in hosts]
    trial = TrialFolder(small_disk / "trial")
    trial.enter("fetching")
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(3_000_000))
    (problem,) = fetch_from(sources, trial)
    assert problem.startswith(f"{trial.path}: the disk is full. The rest of the files of pi1, pi2 is still there")
    assert problem.endswith("Make room and fetch again: it goes on where it stopped.")
    assert delete_on(sources, trial) == []
    assert [host.files for host in hosts] == before
    ballast.unlink()
    subprocess.run(["mount", "-o", "remount,size=32m", str(small_disk)], check=True)
    assert fetch_from(sources, TrialFolder(trial.path)) == []
    assert [fetched_of(trial, host.name) for host in hosts] == before
