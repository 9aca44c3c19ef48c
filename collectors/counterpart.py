"""The server's half of preflight: listens where a SuperLink would, and answers clock requests.

`python -m collectors.counterpart --port 8000 --clock ADDRESS:8900` prints `ready`, tells every connection the address
it came from, and ends on SIGTERM, or by itself after `--limit-s`.
"""

from __future__ import annotations

import argparse
import os
import select
import socket
import sys
from collections.abc import Sequence

from collectors.clock_exchange import Address, Responder
from collectors.errors import CollectError
from collectors.run import Listening
from collectors.stopping import Stop
from instrument.clock import SystemClock, this_clock

LIMIT_S = 120.0


class PortListener:
    """A Listener that owns its socket: greets every connection with the address that it came from."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_server(("", port))

    def __enter__(self) -> PortListener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self, stop: Stop) -> None:
        """Greet until `stop` is set."""
        watched: list[socket.socket | Stop] = [self._socket, stop]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if stop in ready:
                return
            try:
                connection, peer = self._socket.accept()
                with connection:
                    connection.settimeout(1.0)
                    connection.sendall(f"{peer[0]}\n".encode())
            except OSError:  # a caller that is gone again
                continue


def main(arguments: Sequence[str]) -> int:
    """Answer until told to stop. Exit code: 0 in order, 2 where the port or the address cannot be had."""
    parser = argparse.ArgumentParser(prog="python -m collectors.counterpart", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clock", required=True, metavar="ADDRESS:PORT")
    parser.add_argument("--limit-s", type=float, default=LIMIT_S)
    options = parser.parse_args(arguments)
    clock = SystemClock()
    with Stop(clock) as stop:
        stop.on_signals()
        try:
            answers = Responder(Address.parse(options.clock), clock=clock, clock_id=str(this_clock()))
            with answers, PortListener(options.port) as port, Listening(answers), Listening(port):
                print("ready", flush=True)
                stop.wait_until(clock.mono_ns() + round(options.limit_s * 1e9))
        except OSError as error:
            print(f"port {options.port} cannot be listened on: {_said(error)}", file=sys.stderr)
            return 2
        except CollectError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


def _said(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
