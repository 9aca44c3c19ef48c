"""What hosts tell of themselves, on this machine: a virtual environment of each kind, whole and damaged."""

from __future__ import annotations

import json
import subprocess
import sys
import venv as python_venv
from pathlib import Path
from typing import Any

import pytest

from testbed.errors import ProvisionError
from testbed.inventory import Host
from testbed.local_shell import local_shell
from testbed.provision.facts import HostFacts, look, program_text
from testbed.provision.on_host import look as looking
from tests.provision.made import inventory

SITE = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
TEXT = "x = 1\n"


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A virtual environment of ours with one distribution."""
    folder = tmp_path / "venv"
    python_venv.create(folder, with_pip=False, symlinks=True)
    (folder / ".fedprobe").touch()
    site = folder / SITE
    (site / "toy.py").write_text(TEXT)
    info = site / "Toy_Box-1.0.dist-info"
    info.mkdir()
    (info / "RECORD").write_text(f"toy.py,sha256=abc,{len(TEXT)}\nToy_Box-1.0.dist-info/RECORD,,\n")
    return folder


def host(folder: Path, python: str) -> Host:
    return inventory().host("pi1").model_copy(update={"python": python, "work_folder": str(folder / "work")})


def told(folder: Path, python: str) -> HostFacts:
    with local_shell("pi1") as shell:
        return look(shell, host(folder, python))


def test_a_whole_environment(made: Path) -> None:
    facts = told(made.parent, f"{made}/bin/python")
    venv = facts.venvs[str(made)]
    assert (venv.kind, venv.ours, venv.link) == ("venv", True, None)
    assert venv.python == facts.python.markers["python_full_version"]
    assert venv.installed["toy-box"].version == "1.0"
    assert venv.installed["toy-box"].fault is None
    assert facts.python.path == str(Path(sys.executable).resolve())
    assert facts.venvs[str(made.parent / "work" / "venv")].kind == "absent"
    assert facts.folders[str(made.parent / "work")].model_dump() == {"exists": False, "writable": True}
    assert set(facts.settings.values()) <= {"0", "1", "2"}


@pytest.mark.parametrize(
    ("damage", "fault"),
    [
        (lambda site: (site / "toy.py").unlink(), "toy.py is missing"),
        (lambda site: (site / "toy.py").write_text("x"), "toy.py has 1 bytes and not 6"),
        (lambda site: (site / "Toy_Box-1.0.dist-info" / "RECORD").unlink(), "its list of files is missing"),
        (lambda site: (site / "toy_box-0.9.dist-info").mkdir(), "two versions of it are there"),
    ],
)
def test_a_damaged_distribution_is_told_with_what_is_wrong(made: Path, damage: Any, fault: str) -> None:
    damage(made / SITE)
    assert looking.venv(str(made))["installed"]["toy-box"]["fault"] == fault


def test_a_library_for_another_machine_is_told(made: Path) -> None:
    own = Path("/proc/self/exe").read_bytes()[:64]
    other = bytearray(own)
    other[18:20] = (243).to_bytes(2, sys.byteorder)  # RISC-V, where none of these tests runs
    for name, content in (("good.so", own), ("bad.so", bytes(other)), ("script.so", b"INPUT(x)")):
        (made / SITE / name).write_bytes(content)
    record = made / SITE / "Toy_Box-1.0.dist-info" / "RECORD"
    record.write_text(f"good.so,,{len(own)}\nscript.so,,8\n")
    assert looking.venv(str(made))["installed"]["toy-box"]["fault"] is None
    record.write_text(f"good.so,,{len(own)}\nbad.so,,{len(other)}\n")
    assert looking.venv(str(made))["installed"]["toy-box"]["fault"] == "bad.so is made for another machine"


def test_what_is_in_the_place_of_an_environment(made: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(made)
    (tmp_path / "dead").symlink_to(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    (tmp_path / "folder" / "x").mkdir(parents=True)
    kinds = {name: looking.venv(str(tmp_path / name))["kind"] for name in
             ("empty", "link", "dead", "file", "folder", "none")}  # fmt: skip
    assert kinds == {"empty": "empty", "link": "link", "dead": "link", "file": "other", "folder": "other",
                     "none": "absent"}  # fmt: skip
    assert looking.venv(str(tmp_path / "link"))["link"] == str(made)


def test_an_environment_whose_python_is_gone_does_not_run(made: Path) -> None:
    for name in ("python", "python3", f"python3.{sys.version_info[1]}"):
        (made / "bin" / name).unlink(missing_ok=True)
    (made / "bin" / "python").symlink_to("/nowhere/python3")
    assert looking.venv(str(made))["python"] is None
    facts = told(made.parent, f"{made}/bin/python")
    assert facts.venvs[str(made)].python is None
    assert facts.python.path != f"{made}/bin/python"


def test_a_host_without_a_new_enough_python_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("python3", "python3.13", "python3.12", "python3.11", "python3.14"):
        program = tmp_path / name
        program.write_text("#!/bin/sh\nexit 1\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ProvisionError, match=r"^pi1: there is no Python from 3\.11 on, neither /nowhere/python nor"):
        told(tmp_path, "/nowhere/python")


@pytest.mark.parametrize("name", ["look", "install"])
def test_the_programs_for_hosts_are_the_standard_library_alone(name: str) -> None:
    """They run where nothing is installed, by a Python that looks at no packages."""
    imports = [line.split()[1] for line in program_text(name).splitlines() if line.startswith(("import ", "from "))]
    assert imports
    assert set(imports) <= sys.stdlib_module_names


def test_the_program_that_looks_changes_nothing(made: Path) -> None:
    before = sorted(path for path in made.rglob("*"))
    asked = {"venvs": [str(made)], "folders": [], "files": [], "programs": [], "settings": [], "services": []}
    command = [sys.executable, "-I", "-c", program_text("look"), json.dumps({**asked, "manifest": "none"})]
    done = subprocess.run(command, check=True, capture_output=True)
    assert json.loads(done.stdout)["manifest"] == ""
    assert sorted(path for path in made.rglob("*")) == before
