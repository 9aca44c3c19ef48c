"""What a host remembers of its changes, and how each is taken back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from testbed.errors import ProvisionError
from testbed.provision.changes import Run
from testbed.provision.debs import foreseen, simulation
from testbed.provision.manifest import (
    ChangedSetting,
    EnabledService,
    InstalledPackages,
    MadeFolder,
    MadeVenv,
    Manifest,
    Record,
    WroteFile,
    read_manifest,
)
from testbed.provision.undo import needs_root, taken_back_text, taking_back

RECORDS: list[Record] = [
    MadeFolder(path="/opt/fedprobe", root=True),
    MadeVenv(path="/opt/fedprobe", link=None),
    InstalledPackages(installed=("chrony",), removed=("systemd-timesyncd",)),
    WroteFile(path="/etc/sysctl.d/60-fedprobe.conf", sha256="0" * 64),
    ChangedSetting(key="net.ipv4.conf.all.rp_filter", before="1", after="2"),
    EnabledService(name="chrony"),
]
# apt-get -s install chrony on Debian 12, shortened
SIMULATED = """\
NOTE: This is only a simulation!
Reading package lists...
The following packages will be REMOVED:
  systemd-timesyncd
The following NEW packages will be installed:
  chrony tzdata-legacy
Remv systemd-timesyncd [252.36-1~deb12u1]
Inst libedit2 [3.1-20221030-1] (3.1-20221030-2 Debian:12.9/stable [arm64])
Inst chrony (4.3-2+deb12u1 Debian:12.9/stable [arm64])
Inst tzdata-legacy (2024b-0+deb12u1 Debian:12.9/stable [all])
Conf chrony (4.3-2+deb12u1 Debian:12.9/stable [arm64])
"""


def test_it_is_read_as_it_was_written() -> None:
    manifest = Manifest(records=tuple(RECORDS))
    assert read_manifest(manifest.model_dump_json(), "pi1") == manifest
    assert read_manifest("", "pi1") == Manifest()


@pytest.mark.parametrize("text", ["{", '{"version": 2, "records": []}', '{"version": 1, "records": [{"kind": "x"}]}'])
def test_one_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(ProvisionError, match=r"^pi1: provision.json in its work folder"):
        read_manifest(text, "pi1")


def test_what_was_before_the_first_change_stays_known() -> None:
    first = ChangedSetting(key="a", before="0", after="1")
    link = MadeVenv(path="v", link="/elsewhere")
    manifest = Manifest().with_record(first).with_record(link)
    again = manifest.with_record(ChangedSetting(key="a", before="1", after="2")).with_record(
        MadeVenv(path="v", link=None)
    )
    assert again.records == (ChangedSetting(key="a", before="0", after="2"), link)
    assert manifest.with_record(first) == manifest


def test_a_file_written_anew_is_known_by_its_new_content() -> None:
    manifest = Manifest().with_record(WroteFile(path="f", sha256="a")).with_record(WroteFile(path="f", sha256="b"))
    assert manifest.records == (WroteFile(path="f", sha256="b"),)


@pytest.mark.parametrize("record", RECORDS)
def test_every_change_can_be_taken_back_and_says_how(record: Record) -> None:
    assert taking_back(record)
    assert taken_back_text(record)
    assert needs_root(record) == (record.kind != "venv")


def test_packages_go_by_name_and_those_that_had_to_go_come_again() -> None:
    purge, again = taking_back(RECORDS[2])
    assert purge.argv == ("dpkg", "--purge", "chrony")
    assert again.argv[-2:] == ("--", "systemd-timesyncd")
    assert "install" in again.argv


def test_what_apt_would_do_is_read_without_upgrades() -> None:
    assert foreseen(SIMULATED) == InstalledPackages(
        installed=("chrony", "tzdata-legacy"), removed=("systemd-timesyncd",)
    )
    assert "--simulate" in simulation(("chrony",)).argv
    assert not simulation(("chrony",)).root


def ran(record: Record) -> str:
    """What taking a change back prints here."""
    printed = ""
    for run in taking_back(record):
        assert isinstance(run, Run)
        printed += subprocess.run(run.argv, check=True, capture_output=True, text=True).stdout
    return printed


def test_a_file_that_was_changed_since_is_kept(tmp_path: Path) -> None:
    import hashlib

    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    record = [WroteFile(path=str(path), sha256=hashlib.sha256(b"x\n").hexdigest()) for path in (ours, theirs)]
    ours.write_text("x\n")
    theirs.write_text("y\n")
    assert [ran(one) for one in record] == ["", f"{theirs} is kept: it was changed since\n"]
    assert [path.exists() for path in (ours, theirs)] == [False, True]
    assert ran(record[0]) == ""


def test_a_folder_goes_when_it_is_empty(tmp_path: Path) -> None:
    empty, full = tmp_path / "empty", tmp_path / "full"
    for folder in (empty, full):
        folder.mkdir()
    (full / "records").touch()
    assert ran(MadeFolder(path=str(empty), root=False)) == ""
    assert ran(MadeFolder(path=str(full), root=False)) == f"{full} is kept: there are files in it\n"
    assert [path.exists() for path in (empty, full)] == [False, True]


def test_a_virtual_environment_goes_and_the_link_comes_back(tmp_path: Path) -> None:
    venv, other = tmp_path / "venv", tmp_path / "other"
    (venv / "lib").mkdir(parents=True)
    (venv / ".fedprobe").touch()
    (venv / "lib" / "x").touch()
    other.mkdir()
    record = MadeVenv(path=str(venv), link=str(other))
    assert [ran(record), ran(record)] == ["", ""]
    assert venv.is_symlink()
    assert venv.readlink() == other


def test_a_virtual_environment_without_our_mark_is_kept(tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "x").touch()
    assert "is kept" in ran(MadeVenv(path=str(venv), link=None))
    assert (venv / "x").exists()
