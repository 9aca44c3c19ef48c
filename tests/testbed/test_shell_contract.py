"""What every shell does, on this machine and over a real sshd: commands arrive and answer exactly."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.clock import sleep_s
from testbed.errors import RemoteError, RemoteTimeoutError
from testbed.shell import Shell
from tests.testbed.shells import Opener

PYTHON = sys.executable
ARGUMENTS = [PYTHON, "-c", "import json, sys; print(json.dumps(sys.argv[1:]))"]
VARIABLES = [PYTHON, "-c", "import json, os; print(json.dumps(dict(os.environ)))"]
WORDS = [
    *("", " ", "a b", "'", '"', "'\"'", "\\", "\\n", "\n", "a\nb\n", "\t", "\r", "\x01", "\x7f"),
    *("$(touch /tmp/never)", "`id`", "$HOME", "${X:-y}", ";", "&&", "|", ">", "<", "&", "*", "?", "[a]", "~", "!"),
    "#",
    *("=", "a=b", "-", "--", "-n", "--help", "ü", "€", "😀", "%s", "{a,b}"),
]
# an awaited signal may be ignored from the start where the tests run in the background of a shell
SIGNALS = [
    number
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL, signal.SIGSEGV)
    if signal.getsignal(number) is not signal.SIG_IGN
] + [signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM]


def test_every_byte_arrives_on_both_streams(shell: Shell) -> None:
    program = "import sys; a = bytes(range(256)); sys.stdout.buffer.write(a); sys.stderr.buffer.write(a[::-1] * 3)"
    done = shell.run([PYTHON, "-c", program], timeout_s=30)
    assert done.stdout == bytes(range(256))
    assert done.stderr == bytes(range(256))[::-1] * 3


def test_ten_megabytes_on_both_streams_at_once(shell: Shell) -> None:
    program = (
        "import sys\n"
        "for number in range(2000):\n"
        "    sys.stdout.buffer.write(bytes([number % 256]) * 5003); sys.stderr.buffer.write(b'x' * 5009)\n"
    )
    done = shell.run([PYTHON, "-c", program], timeout_s=120)
    assert done.stdout == b"".join(bytes([number % 256]) * 5003 for number in range(2000))
    assert done.stderr == b"x" * 5009 * 2000


def test_output_without_a_last_newline_and_none_at_all(shell: Shell) -> None:
    done = shell.run(["printf", "a"], timeout_s=30)
    assert (done.status, done.stdout, done.stderr) == (0, b"a", b"")
    done = shell.run(["true"], timeout_s=30)
    assert (done.status, done.stdout, done.stderr) == (0, b"", b"")


def test_every_exit_status_is_the_commands_own(shell: Shell) -> None:
    statuses = [*range(4), 42, *range(123, 131), 137, 143, 254, 255]  # those of env, timeout, shells and signals
    found = [shell.run(["sh", "-c", f"exit {status}"], timeout_s=30).status for status in statuses]
    assert found == statuses


@pytest.mark.parametrize("number", SIGNALS)
def test_death_by_a_signal_is_128_and_its_number(shell: Shell, number: int) -> None:
    done = shell.run(["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"], timeout_s=30)
    assert (done.status, done.stdout, done.stderr) == (128 + number, b"", b"")


def test_a_signal_to_its_whole_group_is_its_own_affair(shell: Shell) -> None:
    done = shell.run(["sh", "-c", "echo here; kill -TERM 0; sleep 60"], timeout_s=30)
    assert (done.status, done.stdout) == (128 + signal.SIGTERM, b"here\n")


def test_arguments_arrive_as_they_are(shell: Shell) -> None:
    assert json.loads(shell.check([*ARGUMENTS, *WORDS], timeout_s=30).stdout) == WORDS


@given(words=st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), max_size=4))
def test_any_arguments_arrive_as_they_are(shell: Shell, words: list[str]) -> None:
    assert json.loads(shell.check([*ARGUMENTS, *words], timeout_s=30).stdout) == words


def test_arguments_need_not_be_utf_8(shell: Shell) -> None:
    done = shell.check(["printf", "%s", os.fsdecode(b"\xff\xfe")], timeout_s=30)
    assert done.stdout == b"\xff\xfe"
    assert done.text == "\ufffd\ufffd"


def test_variables_arrive_as_they_are_and_are_added(shell: Shell) -> None:
    asked = {f"WORD_{number}": word for number, word in enumerate(WORDS)}
    found = json.loads(shell.check(VARIABLES, timeout_s=30, env=asked).stdout)
    assert {name: found[name] for name in asked} == asked
    assert "HOME" in found


@pytest.mark.parametrize("name", ["", "A B", "A=B", "-i", "1A", "A\n", "é"])
def test_a_variable_needs_a_name(shell: Shell, name: str) -> None:
    with pytest.raises(ValueError, match="environment variable"):
        shell.run(["true"], timeout_s=30, env={name: "x"})


def test_what_no_command_line_can_hold_is_refused(shell: Shell) -> None:
    with pytest.raises(ValueError, match="NUL"):
        shell.run(["echo", "a\0b"], timeout_s=30)
    with pytest.raises(ValueError, match="name of its program"):
        shell.run([], timeout_s=30)


@pytest.mark.parametrize("name", ["-x", "a=b", "a b", "$(id)", "é"])
def test_programs_of_any_name_run(shell: Shell, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text('#!/bin/sh\nprintf "%s\\n" "$1"\n')
    (tmp_path / name).chmod(0o755)
    for env in ({"PATH": f"{tmp_path}:/usr/bin:/bin"}, {"PATH": f"{tmp_path}:/usr/bin:/bin", "B": "c"}):
        assert shell.check([name, "-n"], timeout_s=30, env=env).text == "-n\n"


def test_an_absent_program_is_127_and_one_that_cannot_run_126(shell: Shell, tmp_path: Path) -> None:
    done = shell.run(["no-such-program"], timeout_s=30)
    assert done.status == 127
    assert "no-such-program" in done.complaint
    (tmp_path / "text").write_text("no program")
    assert shell.run([str(tmp_path / "text")], timeout_s=30).status == 126


def test_a_failed_check_tells_what_the_command_said(shell: Shell) -> None:
    with pytest.raises(RemoteError, match=r"^host: `cat /absent` failed with status 1: .*No such file"):
        shell.check(["cat", "/absent"], timeout_s=30)


def test_the_folder_is_entered(shell: Shell, tmp_path: Path) -> None:
    for name in ("plain", "a 'b' $(c) ;", "-", "é"):
        (tmp_path / name).mkdir()
        assert shell.check(["pwd"], timeout_s=30, cwd=str(tmp_path / name)).text == f"{tmp_path / name}\n"
    with pytest.raises(RemoteError, match=r"^host: `pwd`: cannot enter /absent: "):
        shell.run(["pwd"], timeout_s=30, cwd="/absent")


def test_relative_paths_begin_at_the_home_folder(shell: Shell) -> None:
    home = shell.check(["sh", "-c", "echo $HOME"], timeout_s=30).text
    assert shell.check(["pwd"], timeout_s=30).text == home
    assert {file.name for file in shell.listdir(".")} == {one.name for one in Path(home.strip()).iterdir()}


def test_stdin_is_empty(shell: Shell) -> None:
    assert shell.run(["cat"], timeout_s=30).stdout == b""


def test_a_limit_ends_the_command_and_all_that_it_started(shell: Shell, tmp_path: Path) -> None:
    program = (
        "echo $$; sleep 1000 & echo $!; setsid sleep 1000 & echo $!; "
        'sh -c "trap : TERM; sleep 1000; sleep 1000" & echo $!; '
        "setsid sh -c 'trap \"\" TERM; sleep 1000' & echo $!; trap '' TERM; wait"
    )
    pids = tmp_path / "pids"
    with pytest.raises(RemoteTimeoutError, match=r"^host: `sh -c .* was still running after 2 s and was ended"):
        shell.run(["sh", "-c", f"{{ {program}; }} >{pids}"], timeout_s=2)
    found = [int(word) for word in pids.read_text().split()]
    assert len(found) == 5
    assert [pid for pid in found if shell.alive(pid)] == []


def test_a_limit_is_kept_by_a_command_that_writes_without_end(shell: Shell) -> None:
    with pytest.raises(RemoteTimeoutError, match="still running"):
        shell.run(["sh", "-c", "echo begun; exec 2>&1; while :; do echo more; sleep 0.01; done"], timeout_s=0.5)
    assert shell.run(["echo", "well"], timeout_s=30).stdout == b"well\n"


def test_nothing_of_ours_is_left_after_a_command(shell: Shell) -> None:
    shell.check(["true"], timeout_s=4711)
    for _ in range(200):
        if "4711.000" not in shell.check(["ps", "-eo", "args"], timeout_s=30).text:
            return
        sleep_s(0.02)
    raise AssertionError(shell.check(["ps", "-eo", "args"], timeout_s=30).text)


def test_what_runs_in_the_background_is_not_waited_for(shell: Shell) -> None:
    done = shell.run(["sh", "-c", "sleep 1000 & echo $!"], timeout_s=30)
    pid = int(done.stdout)
    try:
        assert done.status == 0
        assert shell.alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_started_command_outlives_the_connection_and_ends_with_its_children(opened: Opener, tmp_path: Path) -> None:
    program = "trap '' TERM; sleep 1000 & echo $! \"$A\"; wait"
    with opened() as shell:
        pid = shell.start(
            ["sh", "-c", program], stdout="out", stderr="err", env={"A": "a 'b'"}, nice=5, cwd=str(tmp_path)
        )
    with opened() as shell:
        text = _until_written(tmp_path / "out")
        child = int(text.split()[0])
        assert text == f"{child} a 'b'\n"
        assert shell.alive(pid)
        assert shell.check(["ps", "-o", "ni=,sid=", "-p", str(pid)], timeout_s=30).text.split() == ["5", str(pid)]
        shell.stop_group(pid, grace_s=0.2)
        assert not shell.alive(pid)
        assert not shell.alive(child)
        shell.stop_group(pid, grace_s=0.2)  # which has ended


def test_a_started_command_may_have_one_file_for_both_streams(shell: Shell, tmp_path: Path) -> None:
    both = str(tmp_path / "a b")
    pid = shell.start(["sh", "-c", "echo one; echo two >&2; exec sleep 1000"], stdout=both, stderr=both)
    assert _until_written(tmp_path / "a b", "two") == "one\ntwo\n"
    shell.stop_group(pid, grace_s=5)


@pytest.mark.parametrize(("cwd", "stdout"), [("/absent", "out"), (None, "/absent/out")])
def test_a_start_that_cannot_be_is_refused(shell: Shell, cwd: str | None, stdout: str) -> None:
    with pytest.raises(RemoteError, match=r"^host: cannot start `true`: .*/absent"):
        shell.start(["true"], stdout=stdout, stderr="/dev/null", cwd=cwd)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root needs a sudo that asks for no password")
def test_sudo_changes_nothing_for_root(shell: Shell) -> None:
    done = shell.run(["sh", "-c", 'id -u; echo "$A"; exit 3'], timeout_s=30, sudo=True, env={"A": "b"}, cwd="/")
    assert (done.status, done.text) == (3, "0\nb\n")


def _until_written(path: Path, what: str = "") -> str:
    for _ in range(500):
        if path.exists() and (text := path.read_text()).endswith("\n") and what in text:
            return text
        sleep_s(0.02)
    raise AssertionError(f"{path} stayed empty")
