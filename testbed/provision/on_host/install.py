"""Installs wheels out of an archive into a virtual environment, by uv, which is one of the wheels, or is installed.

Its argument is JSON: {"archive", "folder": where to unpack, "venv": paths}. Needs no network, and removes the archive
and the folder when it has installed.
"""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

INSTALLS_S = 1800


def install(archive: Path, folder: Path, venv: Path) -> int:
    """Unpack, install, clean up. Returns uv's exit status."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    wheels = sorted(map(str, folder.glob("*.whl")))
    options = ["--offline", "--no-config", "--no-progress", "--cache-dir", str(folder / "cache")]
    into = ["--python", str(venv / "bin" / "python"), "--no-deps", "--no-index", "--reinstall"]
    # compiled here, so that no process of a first trial does it while it is measured
    command = [str(uv_program(folder, venv)), "pip", "install", "--quiet", "--compile-bytecode"]
    command += [*options, *into, *wheels]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=INSTALLS_S, check=False).returncode
    if status == 0:
        shutil.rmtree(folder)
        archive.unlink()
    return status


def uv_program(folder: Path, venv: Path) -> Path:
    """uv out of its wheel, or as it is installed."""
    for wheel in folder.glob("uv-*.whl"):
        target = folder / "uv"
        with zipfile.ZipFile(wheel) as packed:
            name = next(one for one in packed.namelist() if one.endswith(".data/scripts/uv"))
            with packed.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)
        target.chmod(0o700)
        return target
    return venv / "bin" / "uv"


if __name__ == "__main__":
    raise SystemExit(install(**{name: Path(path) for name, path in json.loads(sys.argv[1]).items()}))
