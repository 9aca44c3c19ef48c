"""The dashboards in words, for docs/dashboards.md."""

from __future__ import annotations

from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.panels import Dashboard, Panel


def described() -> str:
    """Every dashboard and panel, as Markdown."""
    return "\n".join(_dashboard(dashboard) for dashboard in DASHBOARDS)


def _dashboard(dashboard: Dashboard) -> str:
    variables = ", ".join(f"`{name}`" for name in dashboard.variables)
    lines = [
        f"### {dashboard.title} (`{dashboard.uid}`)",
        "",
        f"{dashboard.description} To pick: {variables}.",
        "",
        "| panel | shown as | what it shows |",
        "|---|---|---|",
        *(_panel(panel) for panel in dashboard.panels),
        "",
    ]
    return "\n".join(lines)


def _panel(panel: Panel) -> str:
    only = f" Only where there is {panel.only_where}." if panel.only_where else ""
    return f"| {panel.title} | {panel.kind.value} | {panel.description}{only} |"
