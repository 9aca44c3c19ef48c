"""The command line itself: help with an example for every command, quickly, and in the documentation."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

from testbed.cli import parser

COMMANDS = (
    "run",
    "power",
    "report",
    "export",
    "dashboards",
    "instrument",
    "provision",
    "preflight",
    "selftest",
    "testbed",
)
HEAVY = ("flwr", "torch", "scapy", "paramiko", "duckdb", "plotly", "matplotlib", "influxdb_client", "numpy",
         "scipy", "pydantic", "rich", "pyroute2", "httpx")  # fmt: skip


def test_help_loads_no_heavy_library() -> None:
    script = (
        "import sys, contextlib, io\n"
        "from testbed.cli import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_answers_within_six_empty_programs() -> None:
    empty, helped = [], []
    for _ in range(11):
        empty.append(_seconds([sys.executable, "-c", "pass"]))
        helped.append(_seconds([sys.executable, "-m", "testbed.cli", "--help"]))
    assert median(helped) / median(empty) <= 6


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - start


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser().parse_args([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "examples:" in text
    assert f"fedprobe {command}" in text.split("examples:")[1]
    assert max(len(line) for line in text.splitlines()) <= 100


def test_every_command_is_listed_here() -> None:
    (action,) = parser()._subparsers._group_actions  # type: ignore[union-attr]
    assert tuple(action.choices) == COMMANDS  # type: ignore[arg-type]


def test_a_node_never_imports_what_only_a_controller_has() -> None:
    script = (
        "import sys, collectors.run, instrument.flower.install, instrument.launcher, testbed.commands.instrument\n"
        "only = ('paramiko', 'duckdb', 'plotly', 'matplotlib', 'influxdb_client', 'scapy', 'scipy', 'pydantic')\n"
        "print([name for name in only if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_documentation_names_every_command_phase_and_metric(repository: Path) -> None:
    from instrument.metrics import METRICS
    from instrument.phases import PHASES

    texts = " ".join(
        path.read_text(encoding="utf-8") for path in [repository / "README.md", *repository.glob("docs/*.md")]
    )
    assert [command for command in COMMANDS if f"fedprobe {command}" not in texts] == []
    measurement = (repository / "docs" / "measurement.md").read_text(encoding="utf-8")
    assert [name for name in PHASES if f"`{name}`" not in measurement] == []
    rows = [f"| `{metric.name}` | {metric.unit} |" for metric in METRICS.values()]
    assert [row for row in rows if row not in measurement] == []
