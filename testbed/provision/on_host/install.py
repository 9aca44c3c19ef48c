"""Installs wheels out of an archive into a virtual environment, by uv, which is one of the wheels, or is installed.

Its argument is JSON: {"archive", "folder": where to unpack, "venv": paths}. Needs no network, and removes the archive
and the folder when it has installed.
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import zipfile

INSTALLS_S = 1800


def install(archive: str, folder: str, venv: str) -> int:
    """Unpack, install, clean up. Returns uv's exit status."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)
    wheels = sorted(glob.glob(os.path.join(folder, "*.whl")))
    options = ["--offline", "--no-config", "--no-progress", "--cache-dir", os.path.join(folder, "cache")]
    into = ["--python", os.path.join(venv, "bin", "python"), "--no-deps", "--no-index", "--reinstall"]
    command = [uv_program(folder, venv), "pip", "install", "--quiet", *options, *into, *wheels]
    status = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=INSTALLS_S).returncode
    if status == 0:
        shutil.rmtree(folder)
        os.remove(archive)
    return status


def uv_program(folder: str, venv: str) -> str:
    """uv out of its wheel, or as it is installed."""
    for wheel in glob.glob(os.path.join(folder, "uv-*.whl")):
        target = os.path.join(folder, "uv")
        with zipfile.ZipFile(wheel) as packed:
            name = next(one for one in packed.namelist() if one.endswith(".data/scripts/uv"))
            with packed.open(name) as source, open(target, "wb") as copy:
                shutil.copyfileobj(source, copy)
        os.chmod(target, 0o755)
        return target
    return os.path.join(venv, "bin", "uv")


if __name__ == "__main__":
    raise SystemExit(install(**json.loads(sys.argv[1])))
