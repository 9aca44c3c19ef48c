"""InfluxDB 1.6 of Debian's package `influxdb`.

Source of the settings: InfluxDB 1.6, `influxd config`.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.processes import ServerProcess, free_port

CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
max-values-per-tag = {values_per_tag}
max-series-per-database = {series}
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
max-body-size = 25000000
"""


class Influxd(ServerProcess):
    """`series`: how many series a database may have, 0 as many as it likes. `user`, `password`: who may use it."""

    def __init__(
        self, folder: Path, *, series: int = 0, values_per_tag: int = 0, user: str = "", password: str = ""
    ) -> None:
        super().__init__(folder, "/ping")
        self.user, self.password = user, password
        text = CONFIG.format(
            rpc=free_port(),
            folder=folder,
            port=self.port,
            series=series,
            values_per_tag=values_per_tag,
            auth="true" if user else "false",
        )
        (folder / "influxd.conf").write_text(text)

    def command(self) -> Sequence[str]:
        """What is run."""
        return ["influxd", "run", "-config", str(self.folder / "influxd.conf")]

    def start(self) -> None:
        """Returns when it answers; its user exists then."""
        super().start()
        if self.user:
            self.query(f"CREATE USER {self.user} WITH PASSWORD '{self.password}' WITH ALL PRIVILEGES")

    def create(self, database: str) -> str:
        """Make a database; returns its name."""
        quoted = database.replace("\\", "\\\\").replace('"', '\\"')
        self.query(f'CREATE DATABASE "{quoted}"')
        return database

    def query(self, text: str, database: str = "", **more: str) -> list[dict[str, Any]]:
        """The series that a statement of InfluxQL gives, times in nanoseconds; each has name, columns and values."""
        form = {"q": text, "db": database, "epoch": "ns", **more}
        if self.user:
            form |= {"u": self.user, "p": self.password}
        request = urllib.request.Request(f"{self.url}/query", data=urllib.parse.urlencode(form).encode())
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            result = json.load(answer)["results"][0]
        assert "error" not in result, result["error"]
        return list(result.get("series", []))

    def rows(self, text: str, database: str) -> list[dict[str, Any]]:
        """The same as rows by column, all series' rows together."""
        return [
            dict(zip(series["columns"], row, strict=True))
            for series in self.query(text, database)
            for row in series["values"]
        ]
