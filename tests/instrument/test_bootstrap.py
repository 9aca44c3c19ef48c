"""The sitecustomize that starts the probes: theirs still runs, and nothing of ours stops a process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from instrument.launcher import BOOTSTRAP
from instrument.spool import read_segment, spool_files

CORE = ("records", "phases", "metrics", "clock", "probe", "spool", "identity", "launcher")
LIBRARIES = ("flwr", "httpx", "uvicorn", "psutil", "numpy")


@pytest.fixture
def flower_program(tmp_path: Path) -> Path:
    """A program with the name of one of Flower's, which is all that makes a process one of Flower's."""
    program = tmp_path / "bin" / "flwr-clientapp"
    program.parent.mkdir()
    program.write_text("import sys; print('app ran'); sys.exit(int((sys.argv[1:] or ['0'])[0]))\n")
    return program


def run_python(*words: str | Path, path: list[Path | str], **variables: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FEDPROBE")}
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**clean, "PYTHONPATH": os.pathsep.join(map(str, path)), **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_flower_process_leaves_a_whole_segment(tmp_path: Path, repository: Path, flower_program: Path) -> None:
    out = tmp_path / "spool"
    done = run_python(flower_program, path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(out), FEDPROBE_HOST="pi-23")
    assert (done.returncode, done.stdout, done.stderr) == (0, "app ran\n", "")
    (file,) = spool_files(out)
    segment = read_segment(file)
    assert segment.whole
    assert segment.records == []
    assert (segment.header.role, segment.header.host) == ("flwr-clientapp", "pi-23")


def test_the_package_is_found_beside_the_bootstrap(tmp_path: Path, flower_program: Path) -> None:
    out = tmp_path / "spool"
    done = run_python(flower_program, path=[BOOTSTRAP], FEDPROBE_OUT=str(out))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(spool_files(out)) == 1


@pytest.mark.parametrize("way", ["sys.exit(23)", "os._exit(23)", "raise SystemExit(23)"])
def test_every_way_out_writes_the_trailer(tmp_path: Path, repository: Path, flower_program: Path, way: str) -> None:
    flower_program.write_text(f"import os, sys\n{way}\n")
    done = run_python(flower_program, path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(tmp_path / "spool"))
    assert (done.returncode, done.stderr) == (23, "")
    assert read_segment(spool_files(tmp_path / "spool")[0]).whole


def test_sigterm_by_default_ends_the_process_and_writes_the_trailer(
    tmp_path: Path, repository: Path, flower_program: Path
) -> None:
    flower_program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('survived')\n")
    done = run_python(flower_program, path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(tmp_path / "spool"))
    assert (done.returncode, done.stdout, done.stderr) == (-15, "", "")
    assert read_segment(spool_files(tmp_path / "spool")[0]).whole


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM", "SIGQUIT"])
@pytest.mark.parametrize(
    ("way", "status"), [("sys.exit(23)", 23), ("os._exit(23)", 23), ("signal.raise_signal(signal.SIGTERM)", -15)]
)
def test_a_signal_while_the_trailer_is_written_does_not_cut_it_short(
    tmp_path: Path, repository: Path, flower_program: Path, way: str, status: int, signal_name: str
) -> None:
    """Flower's processes watch their parent and send themselves SIGINT when it is gone, which may be at any time."""
    flower_program.write_text(
        "import os, signal, sys\n"
        "from instrument.spool import SegmentWriter\n"
        "write_trailer = SegmentWriter.end\n"
        "def interrupted(writer, trailer):\n"
        f"    signal.raise_signal(signal.{signal_name})\n"
        "    write_trailer(writer, trailer)\n"
        "SegmentWriter.end = interrupted\n"
        "for name in ('SIGINT', 'SIGQUIT'):\n"
        "    signal.signal(getattr(signal, name), signal.default_int_handler)\n"
        f"{way}\n"
    )
    done = run_python(flower_program, path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(tmp_path / "spool"))
    assert (done.returncode, done.stderr) == (status, "")
    assert read_segment(spool_files(tmp_path / "spool")[0]).whole


def test_who_ignores_sigterm_goes_on_ignoring_it(tmp_path: Path, repository: Path, flower_program: Path) -> None:
    flower_program.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\nprint('survived')\n")
    done = subprocess.run(
        ["sh", "-c", 'trap "" TERM; exec "$0" "$1"', sys.executable, str(flower_program)],
        env={**os.environ, "PYTHONPATH": f"{BOOTSTRAP}:{repository}", "FEDPROBE_OUT": str(tmp_path / "spool")},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "survived\n")


def test_a_forked_child_writes_a_file_of_its_own(tmp_path: Path, repository: Path, flower_program: Path) -> None:
    flower_program.write_text(
        "import os\n"
        "from instrument.flower.session import probe\n"
        "probe().fault('parent', 'p')\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    probe().fault('child', 'c')\n"
        "    os._exit(0)\n"
        "os.waitpid(child, 0)\n"
    )
    run_python(flower_program, path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(tmp_path / "spool"))
    segments = [read_segment(file) for file in spool_files(tmp_path / "spool")]
    assert sorted([fault.where for fault in segment.records] for segment in segments) == [["child"], ["parent"]]
    assert all(segment.whole for segment in segments)


@pytest.mark.parametrize("off", [{"FEDPROBE_DISABLE": "1"}, {"FEDPROBE_OUT": ""}])
def test_switched_off_nothing_of_ours_is_imported(
    tmp_path: Path, repository: Path, flower_program: Path, off: dict[str, str]
) -> None:
    flower_program.write_text("import sys; print([name for name in sys.modules if name.startswith('instrument')])")
    variables = {"FEDPROBE_OUT": str(tmp_path / "spool"), **off}
    done = run_python(flower_program, path=[BOOTSTRAP, repository], **variables)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not (tmp_path / "spool").exists()


def test_a_process_that_is_not_flowers_is_left_alone(tmp_path: Path, repository: Path) -> None:
    done = run_python(
        "-c", "import os; print(os._exit.__name__)", path=[BOOTSTRAP, repository], FEDPROBE_OUT=str(tmp_path)
    )
    assert (done.stdout, done.stderr) == ("_exit\n", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["probes on", ""])
def test_the_users_own_sitecustomize_still_runs(
    tmp_path: Path, repository: Path, flower_program: Path, out: str
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("print('their sitecustomize')\n")
    variables = {"FEDPROBE_OUT": str(tmp_path / out)} if out else {}
    done = run_python(flower_program, path=[BOOTSTRAP, theirs, repository], **variables)
    assert (done.stdout, done.stderr) == ("their sitecustomize\napp ran\n", "")


def test_the_folder_named_twice_does_not_run_twice(tmp_path: Path, flower_program: Path) -> None:
    (tmp_path / "alias").symlink_to(BOOTSTRAP)
    out = tmp_path / "spool"
    done = run_python(flower_program, path=[tmp_path / "alias", BOOTSTRAP], FEDPROBE_OUT=str(out))
    assert (done.returncode, done.stdout, done.stderr) == (0, "app ran\n", "")
    assert len(spool_files(out)) == 1


def test_their_broken_sitecustomize_is_reported_as_python_does(tmp_path: Path, flower_program: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("1 / 0\n")
    with_ours = run_python(flower_program, path=[BOOTSTRAP, tmp_path], FEDPROBE_OUT=str(tmp_path / "spool"))
    without = run_python(flower_program, path=[tmp_path])
    assert (with_ours.returncode, with_ours.stdout) == (without.returncode, without.stdout) == (0, "app ran\n")
    assert with_ours.stderr == without.stderr


@pytest.mark.parametrize("broken", ["raise RuntimeError('no')", "syntax error", "import no_such_module"])
def test_a_broken_probe_does_not_stop_the_process(tmp_path: Path, flower_program: Path, broken: str) -> None:
    package = tmp_path / "path" / "instrument"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "identity.py").write_text(broken)
    done = run_python(flower_program, 23, path=[BOOTSTRAP, package.parent], FEDPROBE_OUT=str(tmp_path / "spool"))
    assert (done.returncode, done.stdout) == (23, "app ran\n")
    assert done.stderr.startswith("fedprobe: probes not installed:")
    assert "Traceback" not in done.stderr


def test_an_unwritable_spool_does_not_stop_the_process(tmp_path: Path, flower_program: Path) -> None:
    done = run_python(flower_program, path=[BOOTSTRAP], FEDPROBE_OUT="/proc/spool")
    assert (done.returncode, done.stdout) == (0, "app ran\n")
    assert "cannot create spool file" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("version", ["1.39.0", "1.43.0", "2.0"])
def test_an_unsupported_flower_is_not_hooked_and_says_so(
    tmp_path: Path, repository: Path, flower_program: Path, version: str
) -> None:
    distribution = tmp_path / "path" / f"flwr-{version}.dist-info"
    distribution.mkdir(parents=True)
    (distribution / "METADATA").write_text(f"Metadata-Version: 2.1\nName: flwr\nVersion: {version}\n")
    flower_program.write_text("import sys; print([type(finder).__name__ for finder in sys.meta_path])")
    done = run_python(
        flower_program, path=[BOOTSTRAP, distribution.parent, repository], FEDPROBE_OUT=str(tmp_path / "spool")
    )
    assert "HookFinder" not in done.stdout
    segment = read_segment(spool_files(tmp_path / "spool")[0])
    assert segment.whole
    (fault,) = segment.records
    assert f"flwr {version} is not supported" in fault.error


@pytest.mark.parametrize("value", ["flwr-clientapp=high", "flwr-clientapp=-20"])
def test_a_priority_that_is_not_set_is_a_fault(tmp_path: Path, flower_program: Path, value: str) -> None:
    spool = tmp_path / "spool"
    done = run_python(flower_program, path=[BOOTSTRAP], FEDPROBE_OUT=str(spool), FEDPROBE_NICE=f"other=1,{value}")
    assert (done.returncode, done.stdout) == (0, "app ran\n")
    segment = read_segment(spool_files(spool)[0])
    assert [fault.where for fault in segment.records] in (["priority"], [])
    assert bool(segment.records) == (segment.header.nice != -20)


def test_a_priority_is_set_before_the_app_runs(tmp_path: Path, flower_program: Path) -> None:
    flower_program.write_text("import os; print(os.nice(0))")
    spool = tmp_path / "spool"
    done = run_python(flower_program, path=[BOOTSTRAP], FEDPROBE_OUT=str(spool), FEDPROBE_NICE="flwr-clientapp=7")
    assert done.stdout == "7\n"
    assert read_segment(spool_files(spool)[0]).header.nice == 7


def test_the_core_imports_the_standard_library_alone(repository: Path) -> None:
    modules = ", ".join(f"instrument.{name}" for name in CORE)
    code = f"import sys; before = set(sys.modules); import {modules}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(repository)!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    imported = {name.partition(".")[0] for name in done.stdout.split()}
    assert imported - {"instrument"} <= sys.stdlib_module_names
    assert not imported & set(LIBRARIES)


def test_the_package_itself_imports_nothing(repository: Path) -> None:
    code = "import sys; before = set(sys.modules); import instrument; print(sorted(set(sys.modules) - before))"
    done = run_python("-c", code, path=[repository])
    assert done.stdout == "['instrument']\n"
