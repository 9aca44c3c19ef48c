"""Which wheels which hosts get: pins, kinds of host, files of a wheelhouse. No network."""

from __future__ import annotations

import csv
import io
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from testbed.errors import ProvisionError, WheelhouseError
from testbed.provision.facts import Interpreter
from testbed.provision.pins import Known, installed_here, pinned
from testbed.provision.project_wheel import checkout_digest, packed, wheel_content
from testbed.provision.steps import Required
from testbed.provision.target import Target, target_of
from testbed.provision.wheelhouse import Wheelhouse, download_command, fitting, refuse_strangers
from tests.provision.made import MARKERS

PI, SERVER = Target("aarch64", (3, 11), 36), Target("x86_64", (3, 13), 41)
NUMPY = Required("numpy", "2.4.6")
INDEX = {
    "fedprobe": Known("0.1.0", ("flwr>=1.40; extra == 'node'", "scipy; extra == 'controller'")),
    "flwr": Known("1.42.0", ("SQLAlchemy[asyncio]>=2", "tomli", "pywin32; sys_platform == 'win32'")),
    "sqlalchemy": Known("2.1.9", ("typing_extensions", "greenlet; extra == 'asyncio'")),
    "greenlet": Known("3.5.6", ()),
    "tomli": Known("2.5.0", ("flwr; python_version < '3'",)),
    "typing-extensions": Known("4.16.0", ("flwr",)),
    "neon": Known("1", ("only-arm; platform_machine == 'aarch64'",)),
}


def interpreter(**markers: str) -> Interpreter:
    return Interpreter(path="/usr/bin/python3", bits=64, libc=("glibc", "2.36"), markers={**MARKERS, **markers})


def test_pins_are_what_the_roots_need_and_nothing_else() -> None:
    assert pinned(["fedprobe[node]"], INDEX.get, MARKERS) == {
        "fedprobe": "0.1.0",
        "flwr": "1.42.0",
        "greenlet": "3.5.6",
        "sqlalchemy": "2.1.9",
        "tomli": "2.5.0",
        "typing-extensions": "4.16.0",
    }


def test_conditions_are_those_of_the_host() -> None:
    assert pinned(["neon"], INDEX.get, {**MARKERS, "platform_machine": "x86_64"}) == {"neon": "1"}
    with pytest.raises(WheelhouseError, match=r"^only-arm; platform_machine == .* is needed by neon and is not"):
        pinned(["neon"], INDEX.get, MARKERS)


def test_the_nodes_requirements_are_all_installed_here() -> None:
    found = pinned(["fedprobe[node]"], installed_here, MARKERS)
    assert {"fedprobe", "flwr", "numpy", "psutil", "grpcio", "uv"} <= set(found)
    assert not {"scapy", "duckdb", "paramiko", "scipy"} & set(found), "libraries of the controller's"


def test_a_host_is_of_the_kind_that_its_python_says() -> None:
    assert target_of(interpreter(), "pi1") == PI
    assert PI.name == "cp311-manylinux_2_36_aarch64"
    assert PI.platforms[:2] == ["manylinux_2_36_aarch64", "manylinux_2_35_aarch64"]
    assert PI.platforms[-3:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"]
    assert SERVER.platforms[-3:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"]


@pytest.mark.parametrize(
    ("update", "said"),
    [
        ({"bits": 32}, "32-bit, on aarch64"),
        ({"markers": {**MARKERS, "platform_machine": "armv7l"}}, "on armv7l"),
        ({"libc": ("", "")}, "another C library"),
        ({"markers": {**MARKERS, "implementation_name": "pypy"}}, "pypy"),
    ],
)
def test_a_host_that_there_are_no_wheels_for_is_refused(update: dict[str, object], said: str) -> None:
    with pytest.raises(ProvisionError, match=rf"^pi1: .*{said}"):
        target_of(interpreter().model_copy(update=update), "pi1")


def test_the_best_wheel_of_the_right_kind_is_taken() -> None:
    wheels = [
        Path(f"numpy-{version}-{tags}.whl")
        for version, tags in (
            ("2.4.6", "cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64"),
            ("2.4.6", "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64"),
            ("2.4.6", "cp311-cp311-manylinux_2_40_aarch64"),
            ("2.4.6", "cp313-cp313-manylinux_2_27_x86_64"),
            ("2.4.5", "cp311-cp311-manylinux_2_36_aarch64"),
        )
    ]
    assert fitting([NUMPY], [*wheels, Path("notes.whl")], PI) == {"numpy": wheels[0]}
    assert fitting([NUMPY], wheels, SERVER) == {"numpy": wheels[3]}
    assert fitting([Required("typing-extensions", "4.16.0")], [Path("typing_extensions-4.16.0-py3-none-any.whl")], PI)


def test_a_wheel_for_another_kind_in_a_kinds_own_folder_is_refused() -> None:
    stranger = Path("house/numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.whl")
    with pytest.raises(
        WheelhouseError, match=r"^numpy-2.4.6-.*x86_64.whl in the wheelhouse is not for .*aarch64.*Remove"
    ):
        refuse_strangers([NUMPY], [stranger], PI)
    refuse_strangers([Required("numpy", "2.4.5")], [stranger], PI)


def test_pip_is_asked_for_wheels_of_the_hosts_kind() -> None:
    command = download_command(PI, [NUMPY], "folder")
    assert command[-1] == "numpy==2.4.6"
    assert command[command.index("--python-version") :][:2] == ["--python-version", "3.11"]
    assert command.count("--platform") == len(PI.platforms)
    assert "--only-binary=:all:" in command


def test_what_cannot_be_downloaded_is_said_once_and_asked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    house = Wheelhouse(tmp_path / "house", tmp_path)
    with pytest.raises(WheelhouseError, match=r"pip cannot download them: .*numpy.*Put them there") as first:
        house.archive(PI, [NUMPY])
    monkeypatch.setattr(Wheelhouse, "_archive", None)
    with pytest.raises(WheelhouseError) as second:
        house.archive(PI, [NUMPY])
    assert str(first.value) == str(second.value)


def test_a_packed_distribution_is_a_wheel_of_the_same_files(tmp_path: Path) -> None:
    source = distribution("pluggy")
    wheel = packed(source, tmp_path)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        record = next(name for name in names if name.endswith("RECORD"))
        rows = {row[0]: row[1] for row in csv.reader(io.StringIO(archive.read(record).decode()))}
        assert archive.testzip() is None
    assert set(rows) == names
    assert "pluggy/__init__.py" in names
    original = {row[0]: row[1] for row in csv.reader(io.StringIO(source.read_text("RECORD") or ""))}
    assert all(digest == original[name] for name, digest in rows.items() if digest)
    assert not any(name.endswith((".pyc", "INSTALLER")) or name.startswith("..") for name in names)


def test_an_editable_installation_cannot_be_packed(tmp_path: Path) -> None:
    class Editable:
        name, version = "fedprobe", "0.1.0"

        def read_text(self, _name: str) -> str:
            return "_editable_impl_fedprobe.pth,sha256=x,1\nfedprobe-0.1.0.dist-info/METADATA,sha256=y,1\n"

    with pytest.raises(WheelhouseError, match="installed as a link to a checkout"):
        packed(Editable(), tmp_path)  # type: ignore[arg-type]


def test_the_digest_of_a_checkout_follows_its_content(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]")
    (tmp_path / "testbed").mkdir()
    (tmp_path / "testbed" / "a.py").write_text("1")
    first = checkout_digest(tmp_path)
    (tmp_path / "testbed" / "__pycache__").mkdir()
    (tmp_path / "testbed" / "__pycache__" / "a.pyc").write_text("x")
    assert checkout_digest(tmp_path) == first
    (tmp_path / "testbed" / "a.py").write_text("2")
    assert checkout_digest(tmp_path) != first


def test_the_content_of_a_wheel_leaves_its_metadata_out(tmp_path: Path) -> None:
    def wheel(name: str, record: str) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("x-1.dist-info/RECORD", record)
        return tmp_path / name

    first = wheel("a.whl", "x/a.py,sha256=1,1\nx/b.py,sha256=2,1\nx-1.dist-info/METADATA,sha256=3,1\n")
    second = wheel("b.whl", "x/b.py,sha256=2,1\nx/a.py,sha256=1,1\nx-1.dist-info/METADATA,sha256=4,1\n")
    third = wheel("c.whl", "x/a.py,sha256=1,1\nx/b.py,sha256=9,1\n")
    assert wheel_content(first) == wheel_content(second) != wheel_content(third)
