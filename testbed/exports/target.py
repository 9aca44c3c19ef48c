"""Where an export is written: whole or not at all, and never over what another program or person put there."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from testbed.errors import UsageError

HEAD_BYTES = 65536


def out_folder(run: Path, out: Path | None, *, below: str = "") -> Path:
    """The folder that was asked for, else the report's or one in it; it is made.

    Raises UsageError where it is one of the trials' own folders, which exports only read.
    """
    folder = out if out is not None else run / "report" / below
    trials = (run / "trials").resolve()
    if folder.resolve() == trials or trials in folder.resolve().parents:
        raise UsageError(f"{folder} lies among the trials, which are only read. Name another folder with --out.")
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is not a folder. Name a folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def replacing(path: Path, mark: bytes) -> Iterator[IO[str]]:
    """A text file to write, which takes the place of `path` when it is whole.

    Raises UsageError where `path` is not an earlier export: not a file with `mark` near its begin.
    """
    check_own(path, mark)
    fresh = path.with_name(f".{path.name}.new")
    try:
        with fresh.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def check_own(path: Path, mark: bytes) -> None:
    """Raises UsageError where something is at `path` that no export of this format wrote."""
    if not path.exists():
        return
    if path.is_file():
        with path.open("rb") as file:
            if mark in file.read(HEAD_BYTES):
                return
    raise foreign(path)


def foreign(path: Path) -> UsageError:
    """What to say of something in the way."""
    return UsageError(
        f"{path} is there already and was not written by this export, so it is left alone. Move it away, or name "
        "another folder with --out."
    )


class MarkedFolder:
    """A folder that several exports may share; a mark of each format's own names what that format put there."""

    def __init__(self, path: Path, format_: str) -> None:
        self.path = path
        self._mark = path / f"fedprobe-{format_}.json"
        self.partial = path / f".fedprobe-{format_}.partial"
        self.known = self._read()

    def _read(self) -> dict[str, Any]:
        if not self._mark.exists():
            return {}
        try:
            known = json.loads(self._mark.read_text(encoding="utf-8"))
        except ValueError:
            known = None
        if not isinstance(known, dict) or known.get("written_by") != "fedprobe":
            raise foreign(self._mark)
        return known

    def check(self, names: Sequence[str]) -> None:
        """Raises UsageError where one of these names is taken by what an export did not write."""
        own = self.known.get("contains", [])
        for name in names:
            if (self.path / name).exists() and name not in own:
                raise foreign(self.path / name)

    @contextmanager
    def filling(self) -> Iterator[Path]:
        """An empty folder beside the final names, on the same file system, which is gone afterwards."""
        shutil.rmtree(self.partial, ignore_errors=True)
        self.partial.mkdir()
        try:
            yield self.partial
        finally:
            shutil.rmtree(self.partial, ignore_errors=True)

    def mark(self, contains: Sequence[str], *, complete: bool, about: Mapping[str, Any]) -> None:
        """Write down what is here; `complete` is false while it is being put in place."""
        document = {"written_by": "fedprobe", "complete": complete, "contains": sorted(contains), **about}
        fresh = self._mark.with_name(f".{self._mark.name}.new")
        fresh.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        fresh.replace(self._mark)
