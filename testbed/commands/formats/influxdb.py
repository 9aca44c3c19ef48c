"""`fedprobe export influxdb`: a run into a database, read back and compared."""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.commands import Commands
from testbed.commands.formats import add_trials, export_format

if TYPE_CHECKING:
    from testbed.progress import PointsProgress
    from testbed.sink.export import Asked, Outcome

EXAMPLES = """\
examples:
  fedprobe export influxdb RUN_DIR --url http://127.0.0.1:8086 --bucket fl --create     a server of 1.x
  INFLUXDB_V2_TOKEN=... fedprobe export influxdb RUN_DIR --url https://db.lab --bucket fl --org lab
  fedprobe export influxdb RUN_DIR --token-file token --ca lab-ca.pem --url https://db.lab --bucket fl
  fedprobe export influxdb RUN_DIR              where the campaign's [influxdb] says
  fedprobe export influxdb RUN_DIR --trial 000-5g-r1 --json

The token comes from INFLUXDB_V2_TOKEN or INFLUXDB_TOKEN in the environment, or from --token-file; for a server of
1.x with users it is USER:PASSWORD. Repeated, an export goes on where it was, looks at all points again, and sends
what is missing. Exit code 1: points are missing, different or refused. docs/influxdb.md has more.
"""


def add_to(formats: Commands) -> None:
    """Describe the format."""
    parser = export_format(
        formats,
        "influxdb",
        summary="InfluxDB 1, 2 and 3, victoria-metrics",
        description="Writes every point of a run into a database, reads all of them back, compares every value, type "
        "and time, and sends again what is missing. Points that are there already are overwritten by themselves.",
        examples=EXAMPLES,
    )
    parser.add_argument("--url", help="the server, such as http://127.0.0.1:8086")
    parser.add_argument("--bucket", "--database", metavar="NAME", help="bucket (2.x), or database (1.x and 3)")
    parser.add_argument("--org", metavar="NAME", help="organisation (2.x)")
    parser.add_argument("--api", choices=("v1", "v2"), help="write to /write or /api/v2/write (the server is asked)")
    parser.add_argument("--token-file", metavar="FILE", type=Path, help="the token, in a file of yours alone")
    parser.add_argument("--ca", metavar="FILE", type=Path, help="trust these certificates (the system's)")
    parser.add_argument("--create", action="store_true", default=None, help="make the database where it is not (1.x)")
    add_trials(parser)
    parser.add_argument("--pending", action="store_true", help="leave out trials that are there, complete, already")
    parser.add_argument(
        "--patience", metavar="SECONDS", type=_seconds, default=120.0, help="try again so long where it is away (120)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    parser.set_defaults(execute=execute)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds from 0 on. Write one such as 120.")
    return seconds


def execute(options: argparse.Namespace) -> int:
    """Export; exit code 1 where a point is missing, different or refused."""
    from testbed.progress import PointsProgress
    from testbed.sink.export import export

    with PointsProgress() as progress:
        outcome = export(_asked(options, progress))
    if options.json:
        print(json.dumps(outcome.document(), indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines(outcome)))
    return 0 if outcome.ok else 1


def _asked(options: argparse.Namespace, progress: PointsProgress) -> Asked:
    import os

    from testbed.sink.export import Asked
    from testbed.sink.options import Options, target_of
    from testbed.token import INFLUXDB, token

    given = Options(
        url=options.url,
        bucket=options.bucket,
        org=options.org,
        api=options.api,
        ca=options.ca,
        create=options.create,
        token_file=options.token_file,
    )
    target, token_file = target_of(given, options.run)
    secret = token(os.environ, INFLUXDB, token_file)
    if secret and target.in_the_clear:
        print(
            f"fedprobe: {target.url} is not https: the token and the points can be read on their way.",
            file=sys.stderr,
        )
    return Asked(
        run_dir=options.run,
        target=target,
        token=secret,
        trials=options.trials or None,
        pending=options.pending,
        patience_s=options.patience,
        say=progress.say,
        progress=progress.reached,
    )


def lines(outcome: Outcome) -> list[str]:
    """What became of it, for people."""
    said = [f"{outcome.server} at {outcome.target.url}, {outcome.target.bucket}: keeps {outcome.keeps}"]
    for trial in outcome.trials:
        counts = {
            "sent again": trial.sent_again,
            "missing": trial.missing,
            "different": trial.different,
            "duplicates": trial.duplicates,
            "refused": trial.dead_letters,
        }
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count or name == "missing")
        state = told if trial.verified else "written, not verified"
        said.append(f"  {trial.trial}: {trial.points} points, {trial.written} written now; {state}")
        said += [f"    {example}" for example in trial.examples]
        if trial.refusal:
            said.append(f"    refused, the first with: {trial.refusal}")
    if outcome.unverified:
        said.append(f"written, not verified: {outcome.unverified}")
    said += [f"left out: {one}" for one in outcome.left_out.told()]
    if not outcome.trials:
        return [*said, "nothing to write: every trial that has ended is there already, complete"]
    total = ", ".join(f"{outcome.total(name)} {name}" for name in ("missing", "different", "duplicates"))
    total += f", {outcome.total('dead_letters')} refused" if outcome.total("dead_letters") else ""
    verdict = "written, not verified" if outcome.unverified else total
    trials = f"{len(outcome.trials)} trial{'' if len(outcome.trials) == 1 else 's'}"
    said.append(f"{outcome.total('points')} points of {trials}: {verdict}")
    if outcome.total("dead_letters"):
        said.append(
            f"{outcome.total('dead_letters')} points are refused by the server; they and its words are in "
            f"RUN_DIR/exports/influxdb-{outcome.target.id}.refused/. Correct the cause, then run the export again."
        )
    return said
