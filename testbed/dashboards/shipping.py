"""Writes the files that are shipped: `python -m testbed.dashboards.shipping` after a panel was changed.

`written` makes them; a test holds `shipped/` against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from testbed.dashboards import provisioning
from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.exporting import SHIPPED
from testbed.dashboards.grafana import grafana, text
from testbed.dashboards.influxdb_template import CHECKED, template
from testbed.dashboards.page import described

MARK = "<!-- panels -->"
PAGE = Path(__file__).parents[2] / "docs" / "dashboards.md"
_NOTE = "# Written by fedprobe from its panels; a change here is lost with the next export.\n"


def written() -> Mapping[str, str]:
    """Every file of the export by its path."""
    boards = {f"grafana/dashboards/{one.uid}.json": text(grafana(one)) for one in DASHBOARDS}
    flux = f"{_NOTE}# Flux, {CHECKED}: no server has executed these queries.\n"
    return {
        **boards,
        "grafana/provisioning/datasources/fedprobe.yaml": _NOTE + _yaml([provisioning.data_sources()]),
        "grafana/provisioning/dashboards/fedprobe.yaml": _NOTE + _yaml([provisioning.providers()]),
        "influxdb/fedprobe.yml": flux + _yaml(template(DASHBOARDS)),
        "influxdb/first-start.sh": provisioning.first_start(),
        "docker-compose.yml": _NOTE + _yaml([provisioning.compose()]),
    }


def _yaml(documents: list[Any]) -> str:
    import yaml

    def text_node(dumper: Any, value: str) -> Any:
        """Scripts of several lines stand as they are read."""
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    dumper: Any = type("Dumper", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    dumper.add_representer(str, text_node)
    return str(yaml.dump_all(documents, Dumper=dumper, sort_keys=False, allow_unicode=True, width=118))


def with_panels(page: str) -> str:
    """docs/dashboards.md, its list of panels as they are now."""
    return f"{page.partition(MARK)[0]}{MARK}\n\n{described()}"


def write(folder: Path) -> None:
    """Write all of them below a folder, and take away what is no longer made."""
    made = written()
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        if str(path.relative_to(folder)) not in made:
            path.unlink()
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(SHIPPED)
    PAGE.write_text(with_panels(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
