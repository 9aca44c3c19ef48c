"""`fedprobe provision` on real hosts, over their real sshd: from nothing to ready, offline, and back again."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from instrument.clock import SystemClock, sleep_s
from testbed.emulation import lifecycle
from testbed.inventory import Inventory
from testbed.inventory_file import write_inventory
from testbed.local_shell import local_shell
from testbed.provision.declared import SETTINGS
from testbed.provision.facts import look
from testbed.provision.target import target_of
from testbed.provision.wheelhouse import Wheelhouse
from tests import tiers
from tests.provision.made import inventory

from .conftest import Hosts, standing
from .provisioning import OFFLINE, command, end_host, provision, with_host

pytestmark = [pytest.mark.netns, pytest.mark.timeout(600)]
DAMAGED = "psutil"
FIRST_SETTING = "/proc/sys/" + next(iter(SETTINGS)).replace(".", "/")
ARM = 183  # e_machine of AArch64, elf.h


@pytest.fixture(scope="module")
def wheelhouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Downloaded once, before any host asks: what comes after works without a network."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    host = inventory().host("pi1").model_copy(update={"python": sys.executable, "work_folder": str(folder)})
    with local_shell("here") as shell:
        interpreter = look(shell, host).python
    house = Wheelhouse(folder, tmp_path_factory.mktemp("scratch"))
    house.archive(target_of(interpreter, "here"), list(house.required(interpreter).values()))
    return folder


@pytest.fixture(scope="module")
def lab(able: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A server and two Pis, reached through their inventory alone."""
    with standing(tmp_path_factory.mktemp("state"), 2, seed=9) as found:
        yield found


@pytest.fixture
def ready(lab: Hosts, wheelhouse: Path, tmp_path: Path) -> Hosts:
    """The hosts, provisioned: whatever a test before has left."""
    outcome = provision(lab.inventory, tmp_path, wheelhouse, env=OFFLINE)
    assert outcome.code == 0, outcome.errors
    return lab


def venv_of(inventory: Inventory, host: str) -> Path:
    return Path(inventory.host(host).python).parent.parent


def site_of(inventory: Inventory, host: str) -> Path:
    (found,) = venv_of(inventory, host).glob("lib/python3.*/site-packages")
    return found


def settings(hosts: Hosts, name: str) -> dict[str, str]:
    files = ["/proc/sys/" + key.replace(".", "/") for key in SETTINGS]
    return dict(zip(SETTINGS, hosts[name].check(["cat", *files], timeout_s=20).text.split(), strict=True))


def test_from_nothing_to_ready_offline_and_back(lab: Hosts, wheelhouse: Path, tmp_path: Path) -> None:
    inventory = lab.inventory
    provision(inventory, tmp_path, wheelhouse, "--undo")
    lab["pi1"].check(["sh", "-c", f"echo 0 >{FIRST_SETTING}"], timeout_s=20)
    before = settings(lab, "pi1")
    assert venv_of(inventory, "pi1").is_symlink()
    planned = provision(inventory, tmp_path, wheelhouse, "--dry-run", env=OFFLINE)
    assert venv_of(inventory, "pi1").is_symlink(), "a dry run changed a host"

    first = provision(inventory, tmp_path, wheelhouse, env=OFFLINE)
    assert (first.code, first.errors) == (0, {})
    assert first.changes == planned.changes == 3 * 2 + 1
    assert first.document["hosts"] == planned.document["hosts"]
    assert settings(lab, "pi1") == dict(SETTINGS)
    for host in ("server", "pi1", "pi2"):
        assert venv_of(inventory, host).is_dir()
        assert not venv_of(inventory, host).is_symlink()
        where = "import instrument, flwr, numpy, psutil, grpc, sys; print(sys.prefix, instrument.__file__)"
        told = lab[host].check([inventory.host(host).python, "-c", where], timeout_s=60).text.split()
        assert told[0] == str(venv_of(inventory, host))
        assert Path(told[1]).is_relative_to(site_of(inventory, host))
        program = [str(venv_of(inventory, host) / "bin" / "fedprobe"), "--version"]
        assert lab[host].check(program, timeout_s=60).text.startswith("fedprobe ")
        assert not list(Path(inventory.host(host).work_folder).glob("provision.zip*"))

    second = provision(inventory, tmp_path, wheelhouse, env=OFFLINE)
    assert (second.code, second.changes) == (0, 0)

    back = provision(inventory, tmp_path, wheelhouse, "--undo")
    assert (back.code, back.changes) == (0, first.changes - 3), "wheels go with their environment"
    assert venv_of(inventory, "pi1").is_symlink()
    assert settings(lab, "pi1") == before
    assert not (Path(inventory.host("pi1").work_folder) / "provision.json").exists()
    again = provision(inventory, tmp_path, wheelhouse, "--undo")
    assert (again.code, again.changes) == (0, 0)


def test_provisioned_hosts_are_fit_to_measure(ready: Hosts, tmp_path: Path) -> None:
    path = tmp_path / "inventory.toml"
    write_inventory(ready.inventory, path)
    done = subprocess.run(
        [*command(path, tmp_path)[:3], "preflight", str(path), "--json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_the_talk_is_plain_lines_and_the_last_line_says_it_all(
    ready: Hosts, wheelhouse: Path, tmp_path: Path
) -> None:
    path = tmp_path / "inventory.toml"
    write_inventory(ready.inventory, path)
    done = subprocess.run(command(path, wheelhouse, "--only", "pi2"), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "1 hosts, 0 changes"
    assert "time synchronisation is not provisioned" in done.stdout
    assert done.stderr.splitlines() == ["pi2: 0 changes"]


@pytest.mark.parametrize(
    "damage",
    ["file", "interpreter", *(pytest.param(one, marks=pytest.mark.long) for one in ("record", "configuration"))],
)
def test_a_half_installed_environment_is_repaired_on_its_host_alone(
    ready: Hosts, wheelhouse: Path, tmp_path: Path, damage: str
) -> None:
    venv, site = venv_of(ready.inventory, "pi1"), site_of(ready.inventory, "pi1")
    info = next(site.glob(f"{DAMAGED}-*.dist-info"))
    if damage == "file":
        (site / DAMAGED / "__init__.py").unlink()
    if damage == "record":
        (info / "RECORD").unlink()
    if damage == "configuration":
        (venv / "pyvenv.cfg").unlink()
    if damage == "interpreter":
        (venv / "bin" / "python").unlink()
    outcome = provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE)
    assert outcome.code == 0, outcome.errors
    assert outcome.changes == (1 if damage in {"file", "record"} else 2)
    assert len(outcome.texts("pi1")) == outcome.changes
    assert (
        ready["pi1"].check([ready.inventory.host("pi1").python, "-c", f"import {DAMAGED}"], timeout_s=60).status == 0
    )
    assert provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE).changes == 0


def test_an_unreadable_key_is_one_hosts_failure(ready: Hosts, wheelhouse: Path, tmp_path: Path) -> None:
    management = ready.inventory.host("pi1").management.model_copy(update={"key": tmp_path / "nokey"})
    wrong = with_host(ready.inventory, "pi1", management=management)
    outcome = provision(wrong, tmp_path, wheelhouse, env=OFFLINE)
    assert outcome.code == 1
    assert set(outcome.errors) == {"pi1"}
    assert outcome.errors["pi1"].startswith(f"pi1: the key {tmp_path}/nokey cannot be read")


def test_a_host_that_answers_with_another_key_is_one_hosts_failure(
    ready: Hosts, wheelhouse: Path, tmp_path: Path
) -> None:
    lines = ready.inventory.known_hosts.read_text().splitlines()
    address = ready.inventory.host("pi1").management.address
    other = next(line.split(" ", 1)[1] for line in lines if line.split()[0] != address)
    changed = tmp_path / "known_hosts"
    changed.write_text(
        "".join(f"{address} {other}\n" if line.split()[0] == address else f"{line}\n" for line in lines)
    )
    outcome = provision(
        ready.inventory.model_copy(update={"known_hosts": changed}), tmp_path, wheelhouse, env=OFFLINE
    )
    assert outcome.code == 1
    assert set(outcome.errors) == {"pi1"}
    assert outcome.errors["pi1"].startswith("pi1: ")
    assert "key" in outcome.errors["pi1"]


def test_a_sudo_that_asks_for_a_password_is_one_hosts_failure(ready: Hosts, wheelhouse: Path, tmp_path: Path) -> None:
    """Of pi1 in its own mounts: its user is said to be somebody, for whom sudo asks."""
    shell = ready["pi1"]
    shell.check(["sh", "-c", f"echo 0 >{FIRST_SETTING}"], timeout_s=20)
    with_programs = """
mount -t tmpfs tmpfs /usr/local/bin && cd /usr/local/bin || exit
printf '#!/bin/sh\\necho 1000\\n' >id
printf '#!/bin/sh\\necho "sudo: a password is required" >&2\\nexit 1\\n' >sudo
chmod 755 id sudo
"""
    shell.check(["sh", "-c", with_programs], timeout_s=20)
    try:
        outcome = provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE)
    finally:
        shell.check(["umount", "-l", "/usr/local/bin"], timeout_s=20)
    assert (outcome.code, outcome.changes) == (1, 0)
    assert set(outcome.errors) == {"pi1"}
    assert "sudo: a password is required" in outcome.errors["pi1"]
    assert "NOPASSWD: ALL" in outcome.errors["pi1"]
    assert provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE).texts("pi1") == [
        f"{next(iter(SETTINGS))} = 1 (was 0)"
    ]


def damaged_wheelhouse(wheelhouse: Path, folder: Path) -> tuple[Path, Path]:
    """A copy of a wheelhouse, and the wheel in it that a test may spoil."""
    copy = folder / "wheelhouse"
    shutil.copytree(wheelhouse, copy, copy_function=os.link)
    (wheel,) = copy.glob(f"cp*/{DAMAGED}-*.whl")
    return copy, wheel


def test_a_wheel_for_the_wrong_architecture_is_one_message(ready: Hosts, wheelhouse: Path, tmp_path: Path) -> None:
    copy, wheel = damaged_wheelhouse(wheelhouse, tmp_path)
    machine = os.uname().machine
    stranger = wheel.rename(wheel.with_name(wheel.name.replace(machine, "riscv64")))
    (site_of(ready.inventory, "pi1") / DAMAGED / "__init__.py").unlink()
    outcome = provision(ready.inventory, tmp_path, copy, env=OFFLINE)
    assert (outcome.code, set(outcome.errors)) == (1, {"pi1"})
    assert outcome.errors["pi1"].startswith(f"pi1: {stranger.name} in the wheelhouse is not for Python 3.")
    assert f"Remove {stranger}" in outcome.errors["pi1"]


@pytest.mark.long
def test_a_wheel_that_belies_its_name_is_found_by_its_content(ready: Hosts, wheelhouse: Path, tmp_path: Path) -> None:
    copy, wheel = damaged_wheelhouse(wheelhouse, tmp_path)
    for_another_machine(wheel)
    (site_of(ready.inventory, "pi1") / DAMAGED / "__init__.py").unlink()
    outcome = provision(ready.inventory, tmp_path, copy, env=OFFLINE)
    assert (outcome.code, set(outcome.errors)) == (1, {"pi1"})
    assert "is made for another machine" in outcome.errors["pi1"]
    assert "remove it from the wheelhouse" in outcome.errors["pi1"]
    assert provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE).code == 0


def for_another_machine(wheel: Path) -> None:
    """Write a wheel anew with the same names, its libraries another architecture's, its RECORD true."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    for name, content in contents.items():
        if content[:4] == b"\x7fELF":
            contents[name] = content[:18] + ARM.to_bytes(2, "little") + content[20:]
    record = next(name for name in contents if name.endswith("RECORD"))
    rows = [row[0] for row in csv.reader(io.StringIO(contents.pop(record).decode())) if row and row[0] != record]
    lines = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(contents[name]).digest()).decode().rstrip('=')},"
        f"{len(contents[name])}\n"
        for name in rows
    ]
    wheel.unlink()  # its other name is the good wheelhouse's
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr(record, "".join([*lines, f"{record},,\n"]))


@pytest.mark.long
def test_a_real_host_gets_its_packages_files_and_limits_and_gives_them_back(
    ready: Hosts, wheelhouse: Path, tmp_path: Path
) -> None:
    """pi2 as a real host: its own /etc folders, and an apt-get that installs into a folder of its own."""
    shell = ready["pi2"]
    shell.check(["sh", "-c", _OWN_SYSTEM], timeout_s=20)
    real = ready.inventory.model_copy(update={"kind": "real", "emulator": None})
    try:
        shell.check(["prlimit", "--pid", "1", "--nofile=1024:"], timeout_s=20)
        vain = provision(real, tmp_path, wheelhouse, "--only", "pi2", env=OFFLINE)
        assert vain.code == 1
        assert vain.errors["pi2"].startswith(
            "pi2: limits: it was done, and is still to be done: write /etc/security/"
        )
        assert "UsePAM yes" in vain.errors["pi2"]
        # this sshd has no PAM: what PAM would do is done to it by hand
        shell.check(["prlimit", "--pid", "1", "--nofile=8192:"], timeout_s=20)
        outcome = provision(real, tmp_path, wheelhouse, "--only", "pi2", env=OFFLINE)
        assert outcome.code == 0, outcome.errors
        told = shell.check(["cat", "/etc/sysctl.d/60-fedprobe.conf"], timeout_s=20).text
        assert all(f"{key} = {value}" in told for key, value in SETTINGS.items())
        log = shell.read_text("/usr/local/bin/apt.log").splitlines()
        assert [line for line in log if "--simulate" not in line and "install" in line], log
        assert provision(real, tmp_path, wheelhouse, "--only", "pi2", env=OFFLINE).changes == 0

        back = provision(real, tmp_path, wheelhouse, "--only", "pi2", "--undo")
        assert back.code == 0, back.errors
        kept = shell.run(["ls", "-R", "/etc/sysctl.d", "/etc/security"], timeout_s=20).text
        assert "fedprobe" not in kept
        purged = shell.read_text("/usr/local/bin/dpkg.log").splitlines()
        assert purged == ["--purge ethtool-data " + " ".join(installed(log))]
    finally:
        shell.run(["umount", "-l", "/usr/local/bin", "/etc/sysctl.d", "/etc/security"], timeout_s=20)


def installed(log: list[str]) -> list[str]:
    """What the last real installation was asked for."""
    line = [line for line in log if "--simulate" not in line and " install " in f" {line} "][-1]
    return line.split(" -- ")[1].split()


# An apt-get that says what Debian's says, and installs programs that do nothing; all that it was asked is in apt.log.
_OWN_SYSTEM = """
mount -t tmpfs tmpfs /usr/local/bin && mount -t tmpfs tmpfs /etc/sysctl.d || exit
mount -t tmpfs tmpfs /etc/security && cd /usr/local/bin || exit
cat >apt-get <<'END'
#!/bin/sh
echo "$*" >>/usr/local/bin/apt.log
case "$*" in
*--simulate*) echo "Inst ethtool-data (1.0 Debian:12 [all])"
    asked="$*"; for name in ${asked##* -- }; do echo "Inst $name (1.0 Debian:12 [arm64])"; done ;;
*install*) for name in ethtool iw mmcli qmicli iperf3 ping tcpdump; do
    printf '#!/bin/sh\\n' >/usr/local/bin/$name; chmod 755 /usr/local/bin/$name; done ;;
esac
END
cat >dpkg <<'END'
#!/bin/sh
echo "$*" >>/usr/local/bin/dpkg.log
END
chmod 755 apt-get dpkg
"""


def test_a_host_that_disappears_in_the_middle_holds_up_no_other(
    state: Path, wheelhouse: Path, tmp_path: Path
) -> None:
    with lifecycle.emulated(2, seed=10) as inventory:
        path = tmp_path / "inventory.toml"
        write_inventory(inventory, path)
        full = command(path, wheelhouse, "--json")
        with subprocess.Popen(full, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for_wheels_on(inventory, "pi2", process)
            end_host(inventory, "pi2")
            said, talk = process.communicate()
        assert process.returncode == 1, talk
        assert "Traceback" not in talk, talk
        document = json.loads(said)
        failed = {one["host"]: one["error"] for one in document["hosts"] if one["error"]}
        assert set(failed) == {"pi2"}
        assert failed["pi2"].startswith("pi2: ")
        assert provision(inventory, tmp_path, wheelhouse, "--only", "pi1", "--only", "server").changes == 0


@pytest.mark.long
def test_a_controller_that_is_killed_in_the_middle_leaves_what_a_second_run_mends(
    ready: Hosts, wheelhouse: Path, tmp_path: Path
) -> None:
    assert provision(ready.inventory, tmp_path, wheelhouse, "--only", "pi1", "--undo").code == 0
    full = command(tmp_path / "inventory.toml", wheelhouse, "--only", "pi1")
    with subprocess.Popen(full, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for_wheels_on(ready.inventory, "pi1", process)
        process.kill()
    assert (Path(ready.inventory.host("pi1").work_folder) / "provision.json").exists()
    back = provision(ready.inventory, tmp_path, wheelhouse, "--only", "pi1", "--undo")
    assert back.code == 0
    assert [text for text in back.texts("pi1") if text.startswith("remove the virtual environment")]
    assert venv_of(ready.inventory, "pi1").is_symlink(), "what was begun can be taken back"
    mended = provision(ready.inventory, tmp_path, wheelhouse, "--only", "pi1", env=OFFLINE)
    assert mended.code == 0
    assert [text for text in mended.texts("pi1") if text.startswith("install fedprobe")]
    assert provision(ready.inventory, tmp_path, wheelhouse, env=OFFLINE).changes == 0


def wait_for_wheels_on(inventory: Inventory, host: str, process: subprocess.Popen[Any]) -> None:
    """Until the first of them arrive on a host, which is in the middle of the work."""
    arriving = Path(inventory.host(host).work_folder) / "provision.zip.part"
    clock = SystemClock()
    deadline_ns = clock.mono_ns() + 120 * 10**9
    while not arriving.exists():
        assert process.poll() is None, "it ended before"
        assert clock.mono_ns() < deadline_ns
        sleep_s(0.002)


def test_a_host_that_is_not_in_the_inventory_is_the_users_mistake(ready: Hosts, tmp_path: Path) -> None:
    path = tmp_path / "inventory.toml"
    write_inventory(ready.inventory, path)
    done = subprocess.run(command(path, tmp_path, "--only", "pi22"), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "has no host 'pi22'" in done.stderr


@pytest.mark.long
def test_ten_nodes_at_once(state: Path, wheelhouse: Path, tmp_path: Path) -> None:
    """Ten take not three times as long as one: they are worked on at once, and next to nothing is done."""
    with lifecycle.emulated(10, seed=11) as inventory:
        clock = SystemClock()

        def seconds(*options: str, changes: bool) -> float:
            start_ns = clock.mono_ns()
            outcome = provision(inventory, tmp_path, wheelhouse, *options, env=OFFLINE)
            assert (outcome.code, outcome.changes > 0) == (0, changes), outcome.errors
            return (clock.mono_ns() - start_ns) / 1e9

        first = seconds(changes=True)
        ten = min(seconds(changes=False) for _ in range(3))
        one = min(seconds("--only", "pi1", changes=False) for _ in range(3))
        tiers.REMARKS.append(
            f"provision, 10 nodes and the server: {first:.1f} s; a second time {ten:.1f} s, one node {one:.1f} s"
        )
        assert ten <= 3 * one
