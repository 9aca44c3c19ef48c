"""Which fedprobe makes a report: its version, and the commit where it runs from a checkout."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path


def revision() -> dict[str, str]:
    """`{"fedprobe": version}`, and `"commit"` where the package lies in a git checkout."""
    try:
        found = {"fedprobe": metadata.version("fedprobe")}
    except metadata.PackageNotFoundError:
        found = {"fedprobe": "not installed"}
    commit = commit_of(Path(__file__).resolve().parent.parent)
    return {**found, "commit": commit} if commit else found


def commit_of(folder: Path) -> str:
    """The commit that a checkout is at, read from its files; empty where the folder is none."""
    git = folder / ".git"
    try:
        if git.is_file():  # a linked worktree
            git = Path(git.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        common = git / "commondir"
        store = (git / common.read_text(encoding="utf-8").strip()) if common.is_file() else git
        loose = store / name
        if loose.is_file():
            return loose.read_text(encoding="utf-8").strip()
        packed = (store / "packed-refs").read_text(encoding="utf-8").splitlines()
        return next((line.split()[0] for line in packed if line.endswith(f" {name}")), "")
    except OSError:
        return ""
