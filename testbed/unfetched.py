"""What an emulated testbed's hosts hold of a run when the testbed is removed: moved into the run folder, never lost.

A testbed that a run built knows its run folder, by a file in the testbed's state folder. Whoever removes the testbed
(the run itself, its resumption, or any later `up` that finds it abandoned) first moves each trial's files that the
run did not fetch whole to `RUN_DIR/unfetched/HOST/trials/TRIAL`, from where a resumed run takes them.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

RUN_FILE = "run_folder"
FOLDER = "unfetched"
KINDS = ("spool", "logs", "pcap")


def remember(state: Path, run: Path) -> None:
    """Note in a testbed's state folder whose it is."""
    (state / RUN_FILE).write_text(f"{run}\n", encoding="utf-8")


def run_of(state: Path) -> Path | None:
    """The run folder that a testbed was built for; None: for none, or it is gone."""
    try:
        run = Path((state / RUN_FILE).read_text(encoding="utf-8").rstrip("\n"))
    except OSError:
        return None
    return run if (run / "trials").is_dir() else None


def keep(state: Path) -> None:
    """Move what was not fetched. Cut off at any moment, it can be done again."""
    run = run_of(state)
    if run is None:
        return
    fetched = fetched_trials(run)
    for trial in sorted(state.glob("hosts/*/home/fedprobe/trials/*")):
        host = trial.relative_to(state / "hosts").parts[0]
        if trial.is_dir() and trial.name not in fetched:
            for kind in KINDS:
                _move(trial / kind, run / FOLDER / host / "trials" / trial.name / kind)


def forget(run: Path, trial: str) -> None:
    """Remove what was kept of a trial: it has been fetched from here, by count and digest."""
    for folder in (run / FOLDER).glob(f"*/trials/{trial}"):
        shutil.rmtree(folder)


def fetched_trials(run: Path) -> set[str]:
    """What the hosts call those trials whose files are all in the run folder."""
    found = set()
    for file in run.glob("trials/*/trial.json"):
        try:
            facts = json.loads(file.read_text(encoding="utf-8"))
        except ValueError:
            continue
        if facts.get("fetched"):
            found.add(str(facts.get("on_hosts")))
    return found


def _move(source: Path, target: Path) -> None:
    """Move a folder; the target appears whole, and only then the source goes."""
    if not source.is_dir():
        return
    if not target.exists():
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, partial, symlinks=True)
        partial.rename(target)
    shutil.rmtree(source)
