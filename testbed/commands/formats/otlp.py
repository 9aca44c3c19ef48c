"""`fedprobe export otlp`: a run as OpenTelemetry spans."""

from __future__ import annotations

import argparse

from testbed.commands import Commands
from testbed.commands.formats import add_out, add_trials, export_format

EXAMPLES = """\
examples:
  fedprobe export otlp RUN_DIR                     RUN_DIR/report/otlp.json
  fedprobe export otlp RUN_DIR --endpoint http://127.0.0.1:4318
  OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer ...' fedprobe export otlp RUN_DIR --endpoint https://otel.example
"""


def add_to(formats: Commands) -> None:
    """Describe the format."""
    parser = export_format(
        formats,
        "otlp",
        summary="OpenTelemetry spans, to a file or an OTLP/HTTP endpoint",
        description="Trials, rounds, messages and phases as spans with the times that were measured, on the server "
        "host's wall clock. Ids follow from the names of campaign, trial and message, so a second export repeats "
        "them. Needs pip install 'fedprobe[otlp]'. Headers are taken from OTEL_EXPORTER_OTLP_HEADERS alone.",
        examples=EXAMPLES,
    )
    add_trials(parser)
    where = parser.add_mutually_exclusive_group()
    add_out(where, "RUN_DIR/report")
    where.add_argument("--endpoint", metavar="URL", help="send them there over OTLP/HTTP (protobuf) instead")
    parser.set_defaults(execute=execute)


def execute(options: argparse.Namespace) -> int:
    """Write or send the spans, and say how many there are."""
    from testbed.exports.otlp import require_opentelemetry, send, traces_url, write
    from testbed.exports.selection import selected
    from testbed.exports.target import out_folder

    require_opentelemetry()
    selection = selected(options.run, options.trials)
    if options.endpoint is not None:
        url = traces_url(options.endpoint)
        print(f"spans: {send(selection, url)}")
        print(f"sent to: {url}")
        return 0
    path, count = write(selection, out_folder(options.run, options.out))
    print(f"spans: {count}")
    print(f"otlp: {path.resolve()}")
    return 0
