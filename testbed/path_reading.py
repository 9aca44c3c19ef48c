"""Reads on a node which way bytes to the server go: the kernel's route, and the byte counters of its interfaces.

Apart from the collectors and the probes, so that the proof of a path does not rest on what it is to prove.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from testbed.errors import RemoteError
from testbed.paths import Counters, Look, Route
from testbed.shell import Shell

# `ip` is in a folder that only root has on the search path on some systems
SEARCH_PATH = {"PATH": "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"}
READ_S = 20.0
# $1 the server, then devices; a line of JSON or of complaint, then a line for each device that is there
_LOOK = """
ip -j route get "$1" 2>&1 | tr '\\n' ' '
echo
shift
for device; do
    counted="/sys/class/net/$device/statistics"
    [ -r "$counted/rx_bytes" ] && echo "$device $(cat "$counted/rx_bytes") $(cat "$counted/tx_bytes")"
done
exit 0
"""


def look(shell: Shell, server: str, devices: Mapping[str, str]) -> Look:
    """The route to the server and the counters of a node's devices, by network. Raises RemoteError."""
    argv = ["sh", "-c", _LOOK, "look", server, *dict.fromkeys(devices.values())]
    return parse_look(shell.check(argv, timeout_s=READ_S, env=SEARCH_PATH).text, devices, shell.name)


def route_of(shell: Shell, server: str) -> Route:
    """The route that a new connection to the server would take. Raises RemoteError."""
    return look(shell, server, {}).route


def parse_look(text: str, devices: Mapping[str, str], host: str) -> Look:
    """What `_LOOK` printed. Raises RemoteError where that is something else."""
    first, *lines = text.split("\n")
    counted: dict[str, Counters] = {}
    try:
        for line in filter(None, lines):
            device, received, sent = line.split()
            counted[device] = Counters(received_bytes=int(received), sent_bytes=int(sent))
    except ValueError as error:
        raise RemoteError(
            f"{host}: {line!r} is no interface's counters. Look for what a login prints there."
        ) from error
    return Look(
        route=parse_route(first),
        counters={network: counted[device] for network, device in devices.items() if device in counted},
    )


def parse_route(text: str) -> Route:
    """A line of `ip -j route get ADDRESS`, or what ip complained in its place."""
    try:
        found: Sequence[Mapping[str, str]] = json.loads(text)
        (route,) = found
        return Route(device=route["dev"], gateway=route.get("gateway"), source=route.get("prefsrc"))
    except (ValueError, KeyError, TypeError):
        return Route(problem=" ".join(text.split()) or "ip printed nothing")
