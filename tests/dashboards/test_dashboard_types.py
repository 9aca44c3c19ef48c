"""Dashboards against Grafana's published types, Flux against InfluxData's language server; defects are seen."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.flux import PREFIX, flux, flux_list
from testbed.dashboards.grafana import grafana
from testbed.dashboards.variables import VARIABLES
from tests.dashboards.conftest import BOARDS

PLUGINS = {
    "timeseries": "timeseries/panelcfg/x/TimeSeriesPanelCfg",
    "barchart": "barchart/panelcfg/x/BarChartPanelCfg",
    "bargauge": "bargauge/panelcfg/x/BarGaugePanelCfg",
    "stat": "stat/panelcfg/x/StatPanelCfg",
    "state-timeline": "statetimeline/panelcfg/x/StateTimelinePanelCfg",
    "table": "table/panelcfg/x/TablePanelCfg",
}
WITH_FIELDS = {"timeseries", "barchart", "state-timeline", "table"}
_TSC = ("--strict", "--noEmit", "--skipLibCheck", "--module", "nodenext", "--target", "es2022")
SCRIPTS = [flux(asked) for board in DASHBOARDS for panel in board.panels for asked in panel.asked]
LISTS = [flux_list(variable) for variable in VARIABLES.values()]
OPTION = (
    "option v = {timeRangeStart: -1h, timeRangeStop: now(), windowPeriod: 10s, "
    + ", ".join(f'{PREFIX}{name}: "x"' for name in ("bucket", *VARIABLES))
    + "}\n"
)


def source(boards: list[Any]) -> str:
    """TypeScript that holds whole dashboards, and each panel's options, against their types."""
    lines = ["import type { Dashboard } from '@grafana/schema';", "import type { Loose } from './loose.js';"]
    for place, path in enumerate(PLUGINS.values()):
        fields = f", FieldConfig as Fields{place}" if list(PLUGINS)[place] in WITH_FIELDS else ""
        lines.append(
            f"import type {{ Options as Options{place}{fields} }} from "
            f"'@grafana/schema/dist/esm/raw/composable/{path}_types.gen';"
        )
    for number, board in enumerate(boards):
        lines.append(f"export const board{number} = {json.dumps(board)} satisfies Partial<Dashboard>;")
        lines += [line for panel in board["panels"] for line in _of_panel(number, panel)]
    return "\n".join(lines)


def _of_panel(number: int, panel: Any) -> list[str]:
    place = next((place for place, name in enumerate(PLUGINS) if name == panel.get("type")), None)
    if place is None:
        return ["export const unknown: never = 'a panel of no known plugin';"]
    name = f"{number}_{panel['id']}"
    found = [f"export const o{name} = {json.dumps(panel['options'])} satisfies Loose<Options{place}>;"]
    if panel["type"] in WITH_FIELDS:
        custom = json.dumps(panel["fieldConfig"]["defaults"]["custom"])
        found.append(f"export const f{name} = {custom} satisfies Loose<Partial<Fields{place}>>;")
    return found


@pytest.fixture
def compiled(npm: Path, repository: Path, tmp_path: Path) -> Callable[[list[Any]], str]:
    """What tsc says of some dashboards; empty where it has nothing to say."""
    (tmp_path / "node_modules").symlink_to(npm / "node_modules")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "loose.ts").write_text((repository / "tests/npm/loose.ts").read_text())

    def compile_(boards: list[Any]) -> str:
        (tmp_path / "boards.ts").write_text(source(boards))
        tsc = npm / "node_modules/typescript/bin/tsc"
        done = subprocess.run(
            ["node", tsc, *_TSC, "boards.ts"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0 or "error TS" in done.stdout, done.stdout + done.stderr
        return done.stdout

    return compile_


def test_every_dashboard_has_grafana_s_types(compiled: Callable[[list[Any]], str]) -> None:
    assert compiled([grafana(dashboard) for dashboard in DASHBOARDS]) == ""


def _defects() -> dict[str, Callable[[Any], None]]:
    def wrong_type(board: Any) -> None:
        board["panels"][0]["type"] = 7

    def unknown_plugin(board: Any) -> None:
        board["panels"][0]["type"] = "barchrt"

    def wrong_place(board: Any) -> None:
        board["panels"][0]["gridPos"]["x"] = "0"

    def unknown_key(board: Any) -> None:
        board["tittle"] = "x"

    def no_type(board: Any) -> None:
        del board["panels"][0]["type"]

    def wrong_option(board: Any) -> None:
        next(one for one in board["panels"] if one["type"] == "barchart")["options"]["stacking"] = "stacked"

    def wrong_field(board: Any) -> None:
        next(one for one in board["panels"] if one["type"] == "timeseries")["fieldConfig"]["defaults"]["custom"][
            "drawStyle"
        ] = "dots"

    def missing_option(board: Any) -> None:
        del next(one for one in board["panels"] if one["type"] == "stat")["options"]["colorMode"]

    return {name: made for name, made in locals().items() if callable(made)}


def test_seeded_defects_of_dashboards_are_caught(compiled: Callable[[list[Any]], str]) -> None:
    """All in one compilation, a dashboard each: every one of them has an error of its own."""
    boards = []
    for defect in _defects().values():
        boards.append(copy.deepcopy(grafana(BOARDS["fedprobe-overview"])))
        defect(boards[-1])
    text = source(boards).splitlines()
    said = compiled(boards)
    wrong = {int(line.split("(")[1].split(",")[0]) for line in said.splitlines() if line.startswith("boards.ts(")}
    ends = [place for place, line in enumerate(text, start=1) if line.startswith("export const board")]
    for number, name in enumerate(_defects()):
        last = ends[number + 1] if number + 1 < len(ends) else len(text) + 1
        assert any(ends[number] <= line < last for line in wrong), name


def are_valid(scripts: list[str], npm: Path, repository: Path) -> list[bool]:
    """What the language server says of scripts, with the variables that InfluxDB 2 would give them."""
    whole = []
    for script in scripts:
        head, separator, body = script.rpartition('import "array"\n')
        whole.append(head + separator + OPTION + body)
    done = subprocess.run(
        ["node", repository / "tests/npm/flux_check.js"],
        input=json.dumps(whole),
        env={"NODE_PATH": str(npm / "node_modules"), "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return list(json.loads(done.stdout))


def test_every_flux_script_is_valid(npm: Path, repository: Path) -> None:
    found = are_valid([*SCRIPTS, *LISTS], npm, repository)
    assert len(found) == len(SCRIPTS) + len(LISTS)
    assert all(found), [script for script, valid in zip([*SCRIPTS, *LISTS], found, strict=True) if not valid]


def test_seeded_defects_of_flux_are_caught(npm: Path, repository: Path) -> None:
    script = next(one for one in SCRIPTS if "aggregateWindow" in one and "derivative" in one)
    defects = [
        script.replace("aggregateWindow", "agregateWindow"),
        script.replace("nonNegative: true", "nonnegative: true"),
        script.replace("unit: 1s", 'unit: "1s"'),
        script.replace(f"v.{PREFIX}bucket", f"v.{PREFIX}bukcet"),
        script.replace("|> group(", "|> group(("),
    ]
    assert all(one != script for one in defects)
    assert are_valid([script, *defects], npm, repository) == [True, *[False] * len(defects)]
