"""The wheelhouse: a folder on the controller with the wheels of every kind of host, downloaded once.

WHEELHOUSE/cp311-manylinux_2_36_aarch64/*.whl    requirements, by kind of host
WHEELHOUSE/project/DIGEST/fedprobe-*.whl         the project's own, by what it is made of
WHEELHOUSE/*.whl                                 whatever was put there by hand, for any kind
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from testbed.errors import FedprobeError, WheelhouseError
from testbed.provision.facts import Interpreter
from testbed.provision.pins import installed_here, pinned
from testbed.provision.project_wheel import PROJECT, project_wheel, wheel_content
from testbed.provision.steps import Required
from testbed.provision.target import Target

if TYPE_CHECKING:
    from packaging.tags import Tag

ROOTS = (f"{PROJECT}[node]", "uv")
"""What every host gets; uv installs the others, and Flower requires it too."""
DOWNLOAD_S = 1800
_SAID_LINES = 2

T = TypeVar("T")


def default_folder() -> Path:
    """Below $XDG_CACHE_HOME, or ~/.cache."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "fedprobe" / "wheelhouse"


class Wheelhouse:
    """One folder, for several threads: what one of them makes, or cannot make, is made once for all.

    `scratch` is a folder for the length of a run.
    """

    def __init__(self, folder: Path, scratch: Path) -> None:
        self.folder = folder.absolute()
        self._scratch = scratch
        self._lock = threading.Lock()
        self._made: dict[object, object] = {}

    def required(self, interpreter: Interpreter) -> Mapping[str, Required]:
        """What a host with this Python gets, by name. Builds the project's wheel. Raises WheelhouseError."""
        markers = interpreter.markers
        return self._once(("required", *sorted(markers.items())), lambda: self._required(markers))

    def archive(self, target: Target, required: Sequence[Required]) -> Path:
        """A file with these wheels for hosts of a kind. Downloads what is not there. Raises WheelhouseError."""
        key = tuple(sorted((one.name, one.version) for one in required))
        return self._once(("archive", target, key), lambda: self._archive(target, required))

    def _once(self, key: object, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._made:
                try:
                    self._made[key] = make()
                except (FedprobeError, OSError, subprocess.TimeoutExpired) as error:
                    self._made[key] = error
            made = self._made[key]
        if isinstance(made, (FedprobeError, OSError)):
            raise made
        if isinstance(made, subprocess.TimeoutExpired):
            raise WheelhouseError(f"{made}. Look at the network, and run it again: what has arrived is kept.")
        return made  # type: ignore[return-value]

    def _required(self, markers: Mapping[str, str]) -> dict[str, Required]:
        wheel = project_wheel(self.folder / "project")
        version = wheel.name.split("-")[1]
        pins = {**pinned(ROOTS, installed_here, markers), PROJECT: version}
        content = wheel_content(wheel)
        return {name: Required(name, pin, content if name == PROJECT else None) for name, pin in pins.items()}

    def _archive(self, target: Target, required: Sequence[Required]) -> Path:
        wheels = self._wheels(target, required)
        name = hashlib.sha256("\n".join(sorted(map(str, wheels))).encode()).hexdigest()[:16]
        path = self._scratch / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for wheel in wheels:
                archive.write(wheel, wheel.name)
        return path

    def _wheels(self, target: Target, required: Sequence[Required]) -> list[Path]:
        others = [one for one in required if one.name != PROJECT]
        own = self.folder / target.name
        found = fitting(others, [*own.glob("*.whl"), *self.folder.glob("*.whl")], target)
        if lacking := [one for one in others if one.name not in found]:
            refuse_strangers(lacking, own.glob("*.whl"), target)
            self._download(target, lacking, own)
            found = fitting(others, [*own.glob("*.whl"), *self.folder.glob("*.whl")], target)
        if still := [f"{one.name} {one.version}" for one in others if one.name not in found]:
            raise WheelhouseError(f"pip downloaded no wheel of {', '.join(still)} for {target}. Put one into {own}.")
        project = [project_wheel(self.folder / "project")] if len(others) < len(required) else []
        return [*project, *found.values()]

    def _download(self, target: Target, required: Sequence[Required], folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder) as arrived:
            command = download_command(target, required, arrived)
            done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_S, check=False)
            for wheel in Path(arrived).glob("*.whl"):
                wheel.replace(folder / wheel.name)
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
            raise WheelhouseError(
                f"the wheels for {target} are not in {folder}, and pip cannot download them: "
                f"{' '.join(said[-_SAID_LINES:])}. Put them there, or run it where the package index is reached."
            )


def download_command(target: Target, required: Iterable[Required], folder: str) -> list[str]:
    """pip for another kind of host than this one. Pure."""
    kind = ["--implementation", "cp", "--abi", target.interpreter]
    kind += ["--python-version", ".".join(map(str, target.python))]
    kind += [word for platform in target.platforms for word in ("--platform", platform)]
    options = ["--no-deps", "--only-binary=:all:", "--quiet", "--disable-pip-version-check", "--dest", folder]
    return [
        sys.executable,
        "-m",
        "pip",
        "download",
        *options,
        *kind,
        *(f"{one.name}=={one.version}" for one in required),
    ]


def fitting(required: Iterable[Required], wheels: Iterable[Path], target: Target) -> dict[str, Path]:
    """The best wheel for a kind of host of each requirement that has one. Pure."""
    rank = {tag: number for number, tag in enumerate(target.tags())}
    pins = {(one.name, one.version) for one in required}
    best: dict[str, tuple[int, Path]] = {}
    for wheel in wheels:
        parsed = _parsed(wheel)
        if parsed is None or parsed[:2] not in pins:
            continue
        ranks = [rank[tag] for tag in parsed[2] if tag in rank]
        name = parsed[0]
        if ranks and (name not in best or min(ranks) < best[name][0]):
            best[name] = min(ranks), wheel
    return {name: wheel for name, (_, wheel) in sorted(best.items())}


def refuse_strangers(required: Iterable[Required], wheels: Iterable[Path], target: Target) -> None:
    """Raise WheelhouseError for a wheel of one of these that is for another kind of host, in this one's folder."""
    pins = {(one.name, one.version) for one in required}
    for wheel in sorted(wheels):
        parsed = _parsed(wheel)
        if parsed is not None and parsed[:2] in pins:
            raise WheelhouseError(
                f"{wheel.name} in the wheelhouse is not for {target}. "
                f"Remove {wheel}: the right one is then downloaded."
            )


def _parsed(wheel: Path) -> tuple[str, str, frozenset[Tag]] | None:
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    try:
        name, version, _, tags = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename:
        return None
    return name, str(version), frozenset(tags)
