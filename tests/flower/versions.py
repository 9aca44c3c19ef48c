"""The probes on every Flower that they support: `make test-flower-versions`.

    python -m tests.flower.versions [1.40 ...]

For each minor version of `instrument.flower.names.SUPPORTED`, in a virtual environment of its own below
.flower-versions: the newest Flower of it with Ray, this project with its extras, then the flower tier, the simulation
and the unit tests of the instrument. One line for each version; the last line on stdout is `RESULT {json}`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from instrument.flower.names import SUPPORTED

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / ".flower-versions"
EXTRAS = ["controller", "dev"]
TIERS = ("unit", "flower", "simulation")
INSTALL_TIMEOUT_S = 900
TESTS_TIMEOUT_S = 1800

# everything that Flower and this project require, certifi of any version: for a package index that lacks Flower's pin
REQUIREMENTS = """
from importlib.metadata import requires
from packaging.requirements import Requirement
for package, extras in {"flwr": ["simulation"], "fedprobe": ["node", *EXTRAS]}.items():
    for one in map(Requirement, requires(package)):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras):
            one.marker = None
            if one.name not in ("flwr", "fedprobe"):
                print("certifi" if one.name == "certifi" else one)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one version did: what was installed and how, tests passed by tier, and what is wrong."""

    ok: bool
    version: str = ""
    certifi: str = ""
    installed: str = ""
    passed: dict[str, int] = field(default_factory=dict)
    error: str = ""

    def __str__(self) -> str:
        counts = ", ".join(f"{number} {tier}" for tier, number in self.passed.items())
        state = f"ok: {counts} passed" if self.ok else f"FAILED: {self.error} ({counts or 'nothing'} passed)"
        return (
            f"flwr {self.version or '?'} (certifi {self.certifi or '?'}, {self.installed or 'not installed'}) {state}"
        )


class StepError(Exception):
    """A command failed; its last words."""


def minors() -> list[str]:
    """The supported minor versions, as in 1.40."""
    (major, first), (_, end) = ((int(part) for part in bound.split(".")) for bound in SUPPORTED)
    return [f"{major}.{minor}" for minor in range(first, end)]


def check(minor: str) -> Result:
    """Build the environment of one minor version if need be, and run the tests in it."""
    python = FOLDER / minor / "bin" / "python"
    found: dict[str, str] = {}
    try:
        if not python.exists():
            run([sys.executable, "-m", "venv", str(FOLDER / minor)], INSTALL_TIMEOUT_S)
        found["installed"] = install(python, minor)
        found |= {"version": version_of(python, "flwr"), "certifi": version_of(python, "certifi")}
    except StepError as error:
        return Result(ok=False, error=str(error), **found)
    passed, error = tested(python, FOLDER / f"{minor}.log")
    missing = [tier for tier in TIERS if not passed.get(tier)]
    error = error or (f"no test of {', '.join(missing)} ran" if missing else "")
    return Result(ok=not error, passed=passed, error=error, **found)


def install(python: Path, minor: str) -> str:
    """Install the newest Flower of a minor version and this project; says how. Raises StepError."""
    flower, project = f"flwr[simulation]~={minor}.0", f"{REPOSITORY}[{','.join(EXTRAS)}]"
    try:
        pip(python, "--editable", project, flower)
    except StepError as plain:
        if "certifi" not in str(plain):
            raise
        pip(python, "packaging")
        pip(python, "--no-deps", f"flwr~={minor}.0", "--editable", str(REPOSITORY))
        listing = REQUIREMENTS.replace("EXTRAS", repr(EXTRAS))
        pip(python, *run([str(python), "-c", listing], INSTALL_TIMEOUT_S).splitlines())
        return "certifi's version overridden"
    return "plain pip"


def pip(python: Path, *arguments: str) -> None:
    run([str(python), "-m", "pip", "install", "--disable-pip-version-check", *arguments], INSTALL_TIMEOUT_S)


def version_of(python: Path, package: str) -> str:
    code = f"from importlib.metadata import version; print(version({package!r}))"
    return run([str(python), "-c", code], INSTALL_TIMEOUT_S).strip()


def run(command: Sequence[str], timeout_s: float) -> str:
    """Standard output of a command. Raises StepError."""
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0:
        raise StepError(f"{' '.join(command[:6])} ...: {(done.stderr or done.stdout).strip()[-600:]}")
    return done.stdout


def tested(python: Path, log: Path) -> tuple[dict[str, int], str]:
    """Tests passed by tier, and what is wrong, which is nothing where all passed. All they print goes to the log."""
    programs = os.pathsep.join([str(python.parent), os.environ.get("PATH", os.defpath)])
    variables = {**os.environ, "PATH": programs, "FEDPROBE_REQUIRE": "flower,simulation", "FEDPROBE_TIERS": ""}
    command = [str(python), "-m", "pytest", "-q", "tests/flower", "tests/instrument"]
    with log.open("wb") as file:
        try:
            done = subprocess.run(
                command, cwd=REPOSITORY, env=variables, stdout=file, stderr=file, timeout=TESTS_TIMEOUT_S, check=False
            )
            wrong = "" if done.returncode == 0 else f"pytest ended with code {done.returncode}, see {log}"
        except subprocess.TimeoutExpired:
            wrong = f"not finished after {TESTS_TIMEOUT_S} s, see {log}"
    line = re.search(r"^tiers: (.*)$", log.read_text(errors="replace"), re.MULTILINE)
    return {tier: int(number) for tier, number in re.findall(r"(\w+) (\d+) passed", line[1] if line else "")}, wrong


def newest() -> str:
    """The newest Flower that pip knows of; empty where it knows none."""
    try:
        listed = run([sys.executable, "-m", "pip", "index", "versions", "flwr"], INSTALL_TIMEOUT_S)
    except StepError:
        return ""
    first = re.match(r"flwr \(([\d.]+)\)", listed)
    return first[1] if first else ""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.flower.versions", description=__doc__.partition("\n")[0])
    parser.add_argument("minors", nargs="*", metavar="1.40", help="default: all that are supported")
    chosen = parser.parse_args(arguments).minors or minors()
    if unknown := set(chosen) - set(minors()):
        parser.error(f"not supported: {', '.join(sorted(unknown))}; supported: {', '.join(minors())}")
    FOLDER.mkdir(exist_ok=True)
    results: dict[str, Result] = {}
    for minor in chosen:
        results[minor] = check(minor)
        print(results[minor], flush=True)
    latest = newest()
    supported = not latest or ".".join(latest.split(".")[:2]) in minors()
    if not supported:
        print(f"flwr {latest} is out and not among the supported versions: widen SUPPORTED in names.py and check it")
    ok = all(result.ok for result in results.values())
    versions = {minor: asdict(result) for minor, result in results.items()}
    print("RESULT " + json.dumps({"ok": ok, "newest": latest, "newest_supported": supported, "versions": versions}))
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
