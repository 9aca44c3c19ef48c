"""The project's own wheel, of the code that runs here: built from the checkout, or packed from what is installed."""

from __future__ import annotations

import base64
import csv
import hashlib
import importlib.util
import io
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from testbed.errors import WheelhouseError

PROJECT = "fedprobe"
_PACKAGES = ("instrument", "testbed", "fl_app", "collectors", "analysis", "examples")
_BUILD_S = 600
_CHECKOUT = Path(__file__).resolve().parents[2]
_OF_THE_INSTALLATION = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}


def project_wheel(folder: Path) -> Path:
    """The wheel, kept below a folder by the digest of what it is made of. Raises WheelhouseError."""
    checkout = (_CHECKOUT / "pyproject.toml").is_file()
    digest = checkout_digest(_CHECKOUT) if checkout else content_digest(_record(distribution(PROJECT)))
    kept = folder / digest[:16]
    if found := sorted(kept.glob("*.whl")):
        return found[0]
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        made = _built(_CHECKOUT, Path(scratch)) if checkout else packed(distribution(PROJECT), Path(scratch))
        kept.mkdir(exist_ok=True)
        return made.replace(kept / made.name)


def checkout_digest(root: Path) -> str:
    """SHA-256 over the sources that go into the wheel, their names and their content."""
    digest = hashlib.sha256((root / "pyproject.toml").read_bytes())
    for path in _sources(root):
        digest.update(f"\0{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def wheel_content(wheel: Path) -> str:
    """What `on_host/look.py` calls the content of this wheel, once it is installed."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".dist-info/RECORD"))
        return content_digest(archive.read(name).decode())


def content_digest(record: str) -> str:
    """SHA-256 over names and digests of a distribution's files, as its RECORD has them; its metadata left out."""
    rows = [[*row, "", ""][:2] for row in csv.reader(io.StringIO(record)) if row]
    files = [f"{path},{digest}" for path, digest in rows if digest and _is_of_the_code(path)]
    return hashlib.sha256("\n".join(sorted(files)).encode()).hexdigest()


def packed(source: Distribution, folder: Path) -> Path:
    """The wheel that a distribution was installed from, but for its programs' scripts, which installing makes anew.

    Source: PEP 427, PEP 376. Raises WheelhouseError where its files are elsewhere, as in editable installations.
    """
    rows = [row for row in csv.reader(io.StringIO(_record(source))) if row and _is_of_the_wheel(row[0])]
    if not any(_is_of_the_code(path) for path, *_ in rows):
        raise WheelhouseError(
            f"{source.name} is installed as a link to a checkout that is not there any more. Install it again."
        )
    name = f"{source.name.replace('-', '_')}-{source.version}"
    target = folder / f"{name}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        record = io.StringIO()
        writer = csv.writer(record, lineterminator="\n")
        for path, *_ in rows:
            content = Path(str(source.locate_file(path))).read_bytes()
            archive.writestr(path, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            writer.writerow((path, f"sha256={digest}", len(content)))
        writer.writerow((f"{name}.dist-info/RECORD", "", ""))
        archive.writestr(f"{name}.dist-info/RECORD", record.getvalue())
    return target


def _sources(root: Path) -> Iterator[Path]:
    for package in _PACKAGES:
        for path in sorted((root / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


def _built(root: Path, folder: Path) -> Path:
    """By the build back end of pyproject.toml: the one that is installed, or else one that pip fetches."""
    isolation = ["--no-build-isolation"] if importlib.util.find_spec("hatchling") else []
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--wheel-dir", str(folder)]
    command = [sys.executable, "-m", "pip", "wheel", *isolation, *options, str(root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_S, check=False)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise WheelhouseError(
            f"cannot build the wheel of {root}: {said}. Correct that, or install hatchling beside fedprobe."
        )
    return next(folder.glob("*.whl"))


def _record(source: Distribution) -> str:
    return source.read_text("RECORD") or ""


def _is_of_the_wheel(path: str) -> bool:
    return not path.startswith("..") and not path.endswith(".pyc") and Path(path).name not in _OF_THE_INSTALLATION


def _is_of_the_code(path: str) -> bool:
    in_metadata = ".dist-info/" in path or ".data/" in path or path.startswith("..")
    return not in_metadata and not path.endswith((".pyc", ".pth"))
