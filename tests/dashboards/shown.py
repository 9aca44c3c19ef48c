"""A dashboard's JSON as its reader sees it: its variables filled, its targets executed on a real influxd."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from testbed.dashboards.grafana import Json
from tests.dashboards.as_grafana import expanded, listed, substituted
from tests.servers.influxd import Influxd


@dataclass
class Shown:
    """One dashboard over one database; `picked` is what its variables stand at."""

    server: Influxd
    database: str
    document: Json
    begin_ms: int
    end_ms: int
    picked: dict[str, list[str]] = field(default_factory=dict)
    offered: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill the variables one after another, as Grafana does."""
        self.all_values = {one["name"]: one["allValue"] for one in self._variables() if one["includeAll"]}
        for one in self._variables():
            self.offered[one["name"]] = listed(self.query(one["query"]))
            assert self.offered[one["name"]], f"{one['name']} offers nothing"
            self.picked.setdefault(one["name"], ["$__all"] if one["multi"] else self.offered[one["name"]][:1])

    def _variables(self) -> list[Json]:
        return [one for one in self.document["templating"]["list"] if one["type"] == "query"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """The series of one target or list."""
        put_in = expanded(substituted(text, self.picked, self.all_values), begin_ms=self.begin_ms, end_ms=self.end_ms)
        return self.server.query(put_in, self.database, epoch="ms")

    def targets(self) -> Iterator[tuple[Json, Json]]:
        """Each target with its panel."""
        return ((panel, target) for panel in self.document["panels"] for target in panel["targets"])

    def answers(self, title: str) -> list[dict[str, Any]]:
        """The series of the panel of that title."""
        return [
            one for panel, target in self.targets() if panel["title"] == title for one in self.query(target["query"])
        ]
