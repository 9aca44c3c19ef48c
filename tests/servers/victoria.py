"""VictoriaMetrics of Debian's package `victoria-metrics`, with its deduplication switched on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.servers.processes import ServerProcess


class Victoria(ServerProcess):
    """`min_free_bytes`: it takes nothing more where its disk has less."""

    def __init__(self, folder: Path, *, min_free_bytes: int = 0) -> None:
        super().__init__(folder, "/health")
        self._min_free_bytes = min_free_bytes

    def command(self) -> Sequence[str]:
        """What is run."""
        return [
            "victoria-metrics",
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            f"-storage.minFreeDiskSpaceBytes={self._min_free_bytes}",
        ]
