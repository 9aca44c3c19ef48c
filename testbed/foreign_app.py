"""Proof that a Flower app of anybody's is measured unchanged: write one, run it instrumented, count its messages.

    python -m testbed.foreign_app [FOLDER]     writes the app to FOLDER/app (default: a temporary folder)

Three rounds with two clients on loopback; the report of the spool must count six train messages. The last line
on stdout is `RESULT {json}`; the exit code is 0 if its "ok" is true.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

from instrument.phases import PHASES
from testbed.errors import FedprobeError, UsageError
from testbed.loopback import Loopback

CLIENTS = 2
ROUNDS = 3
RUN_TIMEOUT_S = 300.0
REPORT_TIMEOUT_S = 120.0

Report: TypeAlias = dict[str, Any]
ONCE_A_ROUND = ("configure", "publish", "aggregate")
NOT_HERE = ("test", "validate", "evaluate_server")  # this app evaluates nowhere

PYPROJECT = """\
[project]
name = "quickstart"
version = "1.0.0"
description = "Federated averaging of an array of numbers"
license = "Apache-2.0"
dependencies = ["flwr", "numpy"]

[tool.flwr.app]
publisher = "someone"

[tool.flwr.app.components]
serverapp = "quickstart.server_app:app"
clientapp = "quickstart.client_app:app"

[tool.flwr.app.config]
num-server-rounds = 3
num-clients = 2
"""

CLIENT_APP = '''\
"""A client whose training adds fresh noise to the model."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

app = ClientApp()


@app.train()
def train(msg: Message, context: Context) -> Message:
    model = msg.content["arrays"]["weights"].numpy()
    seed = [int(msg.content["config"]["server-round"]), int(context.node_config["partition-id"])]
    noise = np.random.default_rng(seed).standard_normal(model.shape, dtype=np.float32)
    content = RecordDict(
        {
            "arrays": ArrayRecord({"weights": Array(model + 0.01 * noise)}),
            "metrics": MetricRecord({"num-examples": 1}),
        }
    )
    return Message(content, reply_to=msg)
'''

SERVER_APP = '''\
"""A server that averages what its clients send."""

import numpy as np
from flwr.app import Array, ArrayRecord, Context
from flwr.serverapp import Grid, ServerApp
from flwr.serverapp.strategy import FedAvg

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    clients = int(context.run_config["num-clients"])
    strategy = FedAvg(fraction_evaluate=0.0, min_train_nodes=clients, min_available_nodes=clients)
    strategy.start(
        grid=grid,
        initial_arrays=ArrayRecord({"weights": Array(np.zeros(100_000, dtype=np.float32))}),
        num_rounds=int(context.run_config["num-server-rounds"]),
    )
'''

FILES: Mapping[str, str] = {
    "pyproject.toml": PYPROJECT,
    "quickstart/__init__.py": "",
    "quickstart/client_app.py": CLIENT_APP,
    "quickstart/server_app.py": SERVER_APP,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The figures of one proof: messages that the report counts and there were, and phases it has not for each."""

    ok: bool
    messages: int
    expected: int
    incomplete_phases: list[str]
    status: str
    spool: str


def write(folder: Path) -> None:
    """Write the app into `folder`, which is made if need be.

    Raises: UsageError if the folder holds anything already.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"{folder}: is not empty. Name a folder that is, or one that does not exist yet.")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def prove(folder: Path) -> Result:
    """Write the app, run it under the launcher, and count what the report of its spool counts."""
    app, spool = folder / "app", folder / "spool"
    write(app)
    launcher = (*_fedprobe(), "instrument", "--out", str(spool), "--")
    with Loopback(CLIENTS, folder / "deployment", launcher) as deployment:
        run = deployment.run(app, {"num-server-rounds": ROUNDS, "num-clients": CLIENTS}, RUN_TIMEOUT_S)
    report = _report(spool)
    messages, expected, missing = counted(report), CLIENTS * ROUNDS, incomplete_phases(report)
    return Result(
        ok=run.completed and messages == expected and not missing,
        messages=messages,
        expected=expected,
        incomplete_phases=missing,
        status=run.status,
        spool=str(spool),
    )


def counted(report: Report) -> int:
    """Messages in a report whose every part was measured."""
    return int(report["messages"]["complete"])


def incomplete_phases(report: Report) -> list[str]:
    """Phases that loopback has and that were not measured for each message, or for each round."""
    (phases,) = report["phases"].values()
    wanted = {name: CLIENTS * ROUNDS for name in PHASES if name not in NOT_HERE}
    wanted.update(dict.fromkeys(ONCE_A_ROUND, ROUNDS))
    return [name for name, number in wanted.items() if int(phases.get(name, {"n": 0})["n"]) != number]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prove it once; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m testbed.foreign_app", description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where to work; kept (default: a temporary folder)")
    folder = parser.parse_args(arguments).folder or Path(tempfile.mkdtemp(prefix="foreign-app-"))
    try:
        result = prove(folder.absolute())
    except FedprobeError as error:
        print(error, file=sys.stderr)
        print("RESULT " + json.dumps({"ok": False, "error": str(error)}))
        return error.exit_code
    print("RESULT " + json.dumps(asdict(result)))
    return 0 if result.ok else 1


def _fedprobe() -> tuple[str, ...]:
    """The `fedprobe` command of this interpreter, whatever is on PATH."""
    return (sys.executable, "-m", "testbed.cli")


def _report(spool: Path) -> Report:
    """The JSON report of a spool. Raises: FedprobeError if there is none."""
    done = subprocess.run(
        [*_fedprobe(), "report", str(spool), "--json"],
        capture_output=True,
        text=True,
        timeout=REPORT_TIMEOUT_S,
        check=False,
    )
    try:
        document: Report = json.loads(done.stdout)
    except json.JSONDecodeError as error:
        raise FedprobeError(
            f"fedprobe report {spool}: exit code {done.returncode} and no JSON: {done.stderr.strip()[-500:]}"
        ) from error
    return document


if __name__ == "__main__":
    sys.exit(main())
