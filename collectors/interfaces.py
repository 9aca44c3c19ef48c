"""Counters of every network interface of this host's network namespace, loopback included."""

from __future__ import annotations

from collections.abc import Iterable

import psutil

from collectors.protocol import Reading, Site
from instrument.metrics import checked


class Interfaces:
    """One reading a tick for each interface; the subject is the device name.

    Counters are the kernel's own, raw: an interface that was removed and made again starts at zero.
    """

    def __init__(self, site: Site) -> None:
        del site  # every poller is made alike

    def read(self) -> Iterable[Reading]:
        """One reading for each interface. Source: /proc/net/dev, one file for all of them."""
        return [
            Reading(
                device,
                checked(
                    {
                        "interface_rx_bytes": counters.bytes_recv,
                        "interface_tx_bytes": counters.bytes_sent,
                        "interface_rx_packets": counters.packets_recv,
                        "interface_tx_packets": counters.packets_sent,
                        "interface_rx_errors": counters.errin,
                        "interface_tx_errors": counters.errout,
                        "interface_rx_drops": counters.dropin,
                        "interface_tx_drops": counters.dropout,
                    }
                ),
            )
            for device, counters in psutil.net_io_counters(pernic=True, nowrap=False).items()
        ]
