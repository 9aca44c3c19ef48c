"""`fedprobe dashboards`: Grafana's and InfluxDB's dashboards, as files or in a running server."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from testbed.commands import Commands, command

EXAMPLES = """\
examples:
  fedprobe dashboards export --out lab-dashboards     files, and a compose file that shows them
  GRAFANA_TOKEN=... fedprobe dashboards install --grafana-url https://grafana.lab:3000
  fedprobe dashboards install --grafana-url https://grafana.lab:3000 --token-file token --folder Lab
  fedprobe dashboards install --grafana-url http://localhost:3000 --source-url http://influxdb:8086
  INFLUXDB_TOKEN=... fedprobe dashboards install --influxdb-url https://influxdb.lab:8086 --org lab
"""
_OF_GRAFANA = "Grafana makes one: Administration, Users and access, Service accounts"
_OF_INFLUXDB = "InfluxDB 2 makes one: Load Data, API Tokens"


def add_to(commands: Commands) -> None:
    """Describe the command."""
    parser = command(
        commands,
        "dashboards",
        summary="dashboards for Grafana and InfluxDB 2: export, install",
        description="Dashboards of what `fedprobe export influxdb` writes: a campaign, one round, networks compared, "
        "hosts and interfaces, a campaign's health. `export` writes files: Grafana's dashboards and provisioning, a "
        "template of InfluxDB 2 (syntax-checked only), and a compose file that shows all of it. `install` puts them "
        "into a running server; a second time it replaces them. Tokens come from the environment or a file of mode "
        "600.",
        examples=EXAMPLES,
    )
    parser.add_argument("action", choices=("export", "install"))
    parser.add_argument("--out", type=Path, metavar="DIR", help="export: the folder to write (fedprobe-dashboards)")
    parser.add_argument("--grafana-url", metavar="URL", help="install: Grafana's address (token: GRAFANA_TOKEN)")
    parser.add_argument("--folder", metavar="NAME", help="Grafana's folder, by its title or uid (none)")
    parser.add_argument(
        "--source-url",
        metavar="URL",
        help="make the data source too: InfluxDB's address as Grafana reaches it (token for it: INFLUXDB_TOKEN)",
    )
    parser.add_argument(
        "--influxdb-url",
        metavar="URL",
        help="install: InfluxDB 2's address, for its template (token: INFLUXDB_TOKEN)",
    )
    parser.add_argument("--org", metavar="NAME", help="InfluxDB 2's organisation (fedprobe)")
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="the token of the server, in a file of mode 600"
    )
    parser.add_argument("--ca", type=Path, metavar="FILE", help="authority of the server's certificate, PEM")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Do the action."""
    return {"export": _export, "install": _install}[options.action](options)


def _export(options: argparse.Namespace) -> int:
    from testbed.dashboards.exporting import export

    stray = [f"--{name.replace('_', '-')}" for name in _OF_INSTALL if getattr(options, name) is not None]
    if stray:
        raise _usage(f"{', '.join(stray)}: of install alone. Leave it out, or write install for export.")
    folder = options.out or Path("fedprobe-dashboards")
    for path in export(folder):
        print(path)
    print(
        f"to see them: write INFLUXDB_TOKEN, INFLUXDB_PASSWORD and GRAFANA_PASSWORD into {folder / '.env'}, then\n"
        f"  docker compose --project-directory {folder} up\n"
        "docs/dashboards.md says more.",
        file=sys.stderr,
    )
    print(f"dashboards: {folder}")
    return 0


_OF_INSTALL = ("grafana_url", "folder", "source_url", "influxdb_url", "org", "token_file", "ca")


def _install(options: argparse.Namespace) -> int:
    if options.out is not None:
        raise _usage("--out: of export alone. Leave it out, or write export for install.")
    if bool(options.grafana_url) == bool(options.influxdb_url):
        raise _usage("state one server: --grafana-url URL or --influxdb-url URL.")
    of_other = ("org",) if options.grafana_url else ("folder", "source_url")
    stray = [f"--{name.replace('_', '-')}" for name in of_other if getattr(options, name) is not None]
    if stray:
        raise _usage(f"{', '.join(stray)}: not of this server. Leave it out.")
    return _into_grafana(options) if options.grafana_url else _into_influxdb(options)


def _into_grafana(options: argparse.Namespace) -> int:
    from testbed.dashboards import grafana_api
    from testbed.dashboards.http_api import Api, checked_url
    from testbed.token import GRAFANA, INFLUXDB, required_token, token

    own = required_token(os.environ, GRAFANA, options.token_file, maker=_OF_GRAFANA)
    if options.source_url is not None:
        checked_url(options.source_url, "--source-url")
    _warn("Grafana", options.grafana_url)
    with Api("Grafana", options.grafana_url, f"Bearer {own.value}", options.ca) as api:
        print(f"Grafana {grafana_api.check(api)} at {options.grafana_url}", file=sys.stderr)
        folder = grafana_api.place(api, options.folder) if options.folder else ""
        if options.source_url is not None:
            of_source = token(os.environ, INFLUXDB).value
            done = grafana_api.install_source(api, options.source_url, of_source)
            print(f"data source fedprobe: {done}", file=sys.stderr)
        for one in grafana_api.install(api, folder):
            print(f"{one.title}  {one.url}")
    return 0


def _into_influxdb(options: argparse.Namespace) -> int:
    from testbed.dashboards import influxdb_api
    from testbed.dashboards.http_api import Api
    from testbed.token import INFLUXDB, required_token

    own = required_token(os.environ, INFLUXDB, options.token_file, maker=_OF_INFLUXDB)
    _warn("InfluxDB", options.influxdb_url)
    with Api("InfluxDB", options.influxdb_url, f"Token {own.value}", options.ca) as api:
        print(f"InfluxDB {influxdb_api.check(api)} at {options.influxdb_url}", file=sys.stderr)
        for name in influxdb_api.install(api, options.org or "fedprobe"):
            print(name)
    return 0


def _warn(name: str, url: str) -> None:
    from testbed.dashboards.http_api import checked_url, is_in_clear

    if is_in_clear(checked_url(url, name)):
        print(
            f"{url}: the token crosses the network unencrypted. Use https where the server has it.", file=sys.stderr
        )


def _usage(text: str) -> Exception:
    from testbed.dashboards.errors import InstallUsageError

    return InstallUsageError(text)
