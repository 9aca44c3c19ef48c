"""Hosts that disappear in the middle, hang, or are not there: told once, and nobody else waits for them."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import pytest

from instrument.clock import sleep_s
from testbed import host_shell, keep_alive
from testbed.errors import (
    FedprobeError,
    HostsFailedError,
    RemoteError,
    RemoteTimeoutError,
    UnreachableError,
)
from testbed.every_host import on_every_host
from testbed.login import Login
from testbed.ssh import connect
from tests.testbed import real_sshd
from tests.testbed.real_sshd import Sshd

ABSENT = "192.0.2.1"  # RFC 5737: nobody has it


@dataclass(frozen=True)
class Host:
    name: str


HOSTS = [Host(f"pi{number}") for number in range(1, 24)]


def eventually(what: Callable[[], object]) -> None:
    for _ in range(500):
        if what():
            return
        sleep_s(0.02)
    raise AssertionError("it never came to be")


def servers_of_connections(sshd: Sshd) -> list[psutil.Process]:
    """The processes of an sshd that hold its connections."""
    return [one for one in psutil.Process(sshd.process.pid).children(recursive=True) if one.name() == "sshd"]


def stop_answering(sshd: Sshd, stopped: list[int]) -> None:
    """Keep a server's connections open and let it say nothing more on them."""
    for process in servers_of_connections(sshd):
        stopped.append(process.pid)
        os.kill(process.pid, signal.SIGSTOP)


def test_results_and_errors_are_by_host_in_the_hosts_order() -> None:
    def action(host: Host) -> int:
        number = int(host.name[2:])
        sleep_s((23 - number) / 1000)
        if number % 7 == 0:
            raise RemoteError(f"{host.name}: gone")
        if number % 11 == 0:
            raise OSError(28, "No space left on device")
        return number

    outcomes = on_every_host(HOSTS, action)
    assert list(outcomes.results) == [host.name for host in HOSTS if int(host.name[2:]) not in {7, 11, 14, 21, 22}]
    assert list(outcomes.errors) == ["pi7", "pi11", "pi14", "pi21", "pi22"]
    with pytest.raises(HostsFailedError) as caught:
        outcomes.required()
    assert str(caught.value).splitlines() == [
        "5 of 23 hosts failed:",
        "  pi7: gone",
        "  pi11: [Errno 28] No space left on device",
        "  pi14: gone",
        "  pi21: gone",
        "  pi22: [Errno 28] No space left on device",
    ]


@pytest.mark.parametrize("at_once", [1, 5, 100])
def test_no_more_at_once_than_asked_and_all_at_last(at_once: int) -> None:
    running: set[str] = set()
    most = 0
    lock = threading.Lock()

    def action(host: Host) -> str:
        nonlocal most
        with lock:
            running.add(host.name)
            most = max(most, len(running))
        sleep_s(0.002)
        with lock:
            running.discard(host.name)
        return host.name

    assert list(on_every_host(HOSTS, action, at_once=at_once).required()) == [host.name for host in HOSTS]
    assert most <= at_once


def test_no_hosts_are_no_failure() -> None:
    assert on_every_host([], lambda host: host).required() == {}


def test_a_mistake_in_the_program_is_no_hosts_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        on_every_host(HOSTS, lambda _: 1 // 0)


def test_the_one_host_there_is_speaks_for_itself() -> None:
    def action(host: Host) -> None:
        raise RemoteError(f"{host.name}: gone")

    with pytest.raises(RemoteError, match=r"^pi1: gone$"):
        on_every_host(HOSTS[:1], action).required()


@pytest.mark.sshd
def test_a_dead_address_holds_up_none_of_the_others(sshd: Sshd) -> None:
    logins = [replace(sshd.login, name=f"pi{number}") for number in range(1, 6)]
    logins[2] = replace(logins[2], address=ABSENT)
    logins[3] = replace(logins[3], key=sshd.folder / "absent")

    def hostname(login: Login) -> str:
        with connect(login, timeout_s=1 if login.address == ABSENT else 15) as shell:
            return shell.check(["echo", login.name], timeout_s=30).text.strip()

    outcomes = on_every_host(logins, hostname)
    assert outcomes.results == {"pi1": "pi1", "pi2": "pi2", "pi5": "pi5"}
    with pytest.raises(HostsFailedError) as caught:
        outcomes.required()
    lines = str(caught.value).splitlines()
    assert lines[0] == "2 of 5 hosts failed:"
    assert lines[1].startswith("  pi3: ")
    assert ABSENT in lines[1]
    assert lines[2].startswith(f"  pi4: the key {sshd.folder}/absent cannot be read")
    assert len(lines) == 3


@pytest.mark.sshd
def test_a_host_that_goes_away_in_the_middle_is_told_once(tmp_path: Path) -> None:
    leaving, staying = (real_sshd.start(tmp_path / name, name) for name in ("pi1", "pi2"))
    begun = tmp_path / "begun"
    try:

        def work(login: Login) -> str:
            with connect(login) as shell:
                if login.name == "pi1":
                    shell.run(["sh", "-c", f"touch {begun}; exec sleep 20"], timeout_s=60)
                eventually(begun.exists)
                for process in servers_of_connections(leaving):
                    process.kill()
                return shell.check(["echo", "done"], timeout_s=30).text

        outcomes = on_every_host([leaving.login, staying.login], work)
    finally:
        leaving.stop()
        staying.stop()
    assert outcomes.results == {"pi2": "done\n"}
    assert list(outcomes.errors) == ["pi1"]
    assert isinstance(outcomes.errors["pi1"], UnreachableError)
    assert str(outcomes.errors["pi1"]).startswith("pi1: the connection is lost at `sh -c ")


@pytest.mark.sshd
def test_after_the_loss_every_call_says_so(tmp_path: Path) -> None:
    made = real_sshd.start(tmp_path / "sshd")
    (tmp_path / "file").write_bytes(b"content")
    try:
        with connect(made.login) as shell:
            assert shell.read_text(str(tmp_path / "file")) == "content"
            for process in servers_of_connections(made):
                process.kill()
            calls: list[Callable[[], object]] = [
                lambda: shell.read_text(str(tmp_path / "file")),
                lambda: shell.get(str(tmp_path / "file"), tmp_path / "back"),
                lambda: shell.put(tmp_path / "file", str(tmp_path / "there")),
                lambda: shell.listdir(str(tmp_path)),
                lambda: shell.alive(1),
                lambda: shell.run(["true"], timeout_s=5),
                lambda: shell.start(["true"], stdout="/dev/null", stderr="/dev/null"),
            ]
            for call in calls:
                with pytest.raises(UnreachableError, match=r"^host: the connection is lost"):
                    call()
    finally:
        made.stop()


@pytest.mark.sshd
def test_a_host_that_does_not_answer_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep_alive, "EVERY_S", 0.2)
    monkeypatch.setattr(keep_alive, "ANSWER_S", 0.5)
    made = real_sshd.start(tmp_path / "sshd")
    begun = tmp_path / "begun"
    stopped: list[int] = []
    failures: list[FedprobeError] = []

    def work() -> None:
        try:
            shell.run(["sh", "-c", f"touch {begun}; exec sleep 20"], timeout_s=600)
        except FedprobeError as error:
            failures.append(error)

    try:
        with connect(made.login) as shell:
            worker = threading.Thread(target=work)
            worker.start()
            eventually(begun.exists)
            stop_answering(made, stopped)
            worker.join()
        assert [type(error) for error in failures] == [UnreachableError]
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        made.stop()


@pytest.mark.sshd
def test_a_command_is_given_up_where_the_host_says_nothing_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_shell, "_SLACK_S", 0.5)
    made = real_sshd.start(tmp_path / "sshd")
    stopped: list[int] = []
    try:
        with connect(made.login) as shell:
            shell.check(["true"], timeout_s=30)
            stop_answering(made, stopped)
            with pytest.raises((RemoteTimeoutError, UnreachableError), match=r"^host: "):
                shell.run(["true"], timeout_s=0.5)
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGKILL)
        made.stop()
