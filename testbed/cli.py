"""The command line: reads arguments, calls one command, turns a refusal into one message and an exit code.

Exit codes: 0 good, 1 failed, 2 usage or bad input, 3 measured but not trustworthy.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from testbed.commands import (
    Parser,
    dashboards,
    export,
    instrument,
    power,
    preflight,
    provision,
    report,
    run,
    selftest,
    testbed,
    watch,
)

DESCRIPTION = """\
fedprobe measures where the time of federated learning goes: Flower clients on Raspberry Pis
and a server, timed phase by phase over 5G, WiFi and Ethernet."""
EXAMPLES = """\
examples:
  fedprobe run quickstart                 compare Ethernet, WiFi and 5G on this machine
  fedprobe power --deviation 0.08 --effect 1.1    how many repetitions that needs
  fedprobe watch RUN_DIR                  look at a run while it goes on
  fedprobe report RUN_DIR                 read it again
  fedprobe export csv RUN_DIR             its tables, for other programs
  fedprobe provision lab.toml             make the hosts of a real lab ready
  fedprobe preflight lab.toml             is that testbed fit to measure
  fedprobe selftest --quick               how wrong this instrument is, against packets
  fedprobe instrument -- flower-superlink --insecure
  fedprobe dashboards export              dashboards for Grafana and InfluxDB
  fedprobe COMMAND --help                 what a command does, with examples

exit codes: 0 good, 1 failed, 2 usage or bad input, 3 measured but not trustworthy
"""


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    made = Parser(
        prog="fedprobe",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="store_true", help="print the version and exit")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in (
        run,
        watch,
        power,
        report,
        export,
        dashboards,
        instrument,
        provision,
        preflight,
        selftest,
        testbed,
    ):
        command.add_to(commands)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    made = parser()
    options = made.parse_args(arguments)
    if options.version:
        from importlib.metadata import version

        print(f"fedprobe {version('fedprobe')}")
        return 0
    if options.command is None:
        made.print_help(sys.stderr)
        return 2
    return _executed(options, sys.argv[1:] if arguments is None else arguments)


def _executed(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    from testbed.errors import FedprobeError

    try:
        return _done(options, arguments)
    except BrokenPipeError:  # who read the output has seen enough
        sys.stderr.close()
        return 1
    except FedprobeError as error:
        print(f"fedprobe: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"fedprobe: {_system_error(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("fedprobe: interrupted", file=sys.stderr)
        return 1


def _done(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """What needs root is done again where an ordinary user is root, if this system has such a place."""
    from testbed.errors import NeedsRootError

    try:
        return int(options.execute(options))
    except NeedsRootError as needed:
        from testbed.emulation import rootless

        rootless.run_again(arguments, needed)


def _system_error(error: OSError) -> str:
    """The system's refusal as fact, cause and next step."""
    import errno

    where = f"{error.filename}: " if error.filename else ""
    cause = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"{where}{cause}. What was written is kept. Make room on that disk, then run the command again."
    return f"{where}{cause}. Check the path and its permissions, then run the command again."


if __name__ == "__main__":
    raise SystemExit(main())
