"""A run exported to real servers: every value, type and nanosecond is there, once; what goes wrong there is found."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.parse
import urllib.request
from dataclasses import replace
from http.client import RemoteDisconnected
from pathlib import Path

import pytest
from urllib3.exceptions import ProtocolError

from analysis.influx.line_protocol import line
from analysis.influx.point import Tags
from analysis.influx.points import points_of
from testbed.cli import main
from testbed.commands.formats.influxdb import lines
from testbed.sink.export import Asked, export
from testbed.sink.http import failure
from testbed.sink.target import Target
from testbed.token import Token
from tests.servers.fixtures import require
from tests.servers.influxd import Influxd
from tests.servers.v2_front import V2Front
from tests.servers.victoria import Victoria
from tests.sink.there import expected, on_influxd, typed


def asked(run: Path, url: str, bucket: str, token: str = "", patience_s: float = 30.0) -> Asked:
    """An export of all trials."""
    target = Target(url=url, bucket=bucket, org="lab")
    return Asked(run_dir=run, target=target, token=Token(token), patience_s=patience_s)


def test_all_is_on_influxd_once_however_often_exported(run: Path, influxd: Influxd, database: str) -> None:
    """Compared by reading that is not the product's own; the second export writes nothing."""
    first = export(asked(run, influxd.url, database))
    assert first.ok
    assert first.total("written") == first.total("points") == len(expected(run))
    assert typed(on_influxd(influxd, database)) == typed(expected(run))
    second = export(asked(run, influxd.url, database))
    assert second.ok
    assert second.total("written") == second.total("sent_again") == 0
    assert typed(on_influxd(influxd, database)) == typed(expected(run))


def test_a_lost_cursor_overwrites_and_doubles_nothing(run: Path, influxd: Influxd, database: str) -> None:
    """All is written again, and is there once."""
    export(asked(run, influxd.url, database))
    (cursor,) = (run / "exports").glob("*.json")
    cursor.write_text("{")
    again = export(asked(run, influxd.url, database))
    assert again.ok
    assert again.total("written") == again.total("points")
    assert typed(on_influxd(influxd, database)) == typed(expected(run))


def test_influxdb_client_writes_the_same(run: Path, influxd: Influxd, database: str, v2_front: V2Front) -> None:
    """Through `/api/v2/write`, with a token, into the storage of influxd."""
    outcome = export(asked(run, v2_front.url, database, v2_front.token))
    assert outcome.ok
    assert not outcome.unverified
    assert outcome.target.api == "v2"
    assert typed(on_influxd(influxd, database)) == typed(expected(run))


def test_what_is_missing_or_changed_there_is_sent_again(run: Path, influxd: Influxd, database: str) -> None:
    """One point dropped, one value changed, one field added: found, and mended where writing can."""
    export(asked(run, influxd.url, database))
    points = [point for point in points_of(run) if point.measurement == "link"]
    influxd.query(f"DELETE FROM link WHERE time = {points[0].time_ns}", database)
    changed = line(points[7]).replace("interface_rx_bytes=", "interface_rx_bytes=7")
    _write(influxd, database, changed)
    outcome = export(asked(run, influxd.url, database))
    assert outcome.ok
    assert outcome.total("sent_again") >= 2
    assert typed(on_influxd(influxd, database)) == typed(expected(run))
    _write(influxd, database, line(points[3]).replace(" interface_rx_bytes=", " beside=1i,interface_rx_bytes="))
    outcome = export(asked(run, influxd.url, database))
    assert outcome.total("different") == 1
    assert "beside" in outcome.trials[0].examples[0]


def test_points_that_do_not_belong_there_are_counted(run: Path, influxd: Influxd, database: str) -> None:
    """A point of the trial at a moment at which none was measured."""
    export(asked(run, influxd.url, database))
    point = next(point for point in points_of(run) if point.measurement == "process")
    _write(influxd, database, line(point).replace(str(point.time_ns), str(point.time_ns + 1)))
    assert export(asked(run, influxd.url, database)).total("duplicates") == 1


def test_where_all_is_there_already_that_is_said(run: Path, influxd: Influxd, database: str) -> None:
    for path in run.glob("trials/*/trial.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "state": "done"}))
    again = replace(asked(run, influxd.url, database), pending=True)
    assert export(again).total("written") == len(expected(run))
    assert lines(export(again))[-1].startswith("nothing to write")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer")),
            "reset by peer",
        ),
        (ProtocolError("Connection aborted.", RemoteDisconnected("Remote end closed it")), "Remote end closed it"),
        (ProtocolError("Response ended prematurely"), "Response ended prematurely"),
    ],
)
def test_a_connection_that_broke_off_is_told_in_words(error: Exception, said: str) -> None:
    told = str(failure(error, Target(url="http://db", bucket="b")))
    assert f"{said}. See its log" in told
    assert "(" not in told


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"name": "x", "interface": 3}'])
def test_a_damaged_trial_is_one_message_before_anything_is_written(
    run: Path, influxd: Influxd, database: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged = max(run.glob("trials/*/trial.json"))
    damaged.write_text(text)
    assert main(["export", "influxdb", str(run), "--url", influxd.url, "--bucket", database]) == 2
    said = capsys.readouterr().err
    assert f"{damaged} is not" in said
    assert said.count("\n") == 1
    assert on_influxd(influxd, database) == {}


def test_a_trial_that_was_copied_is_one_message(
    run: Path, influxd: Influxd, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = min(run.glob("trials/*"))
    shutil.copytree(first, first.with_name(f"{first.name}.old"))
    assert main(["export", "influxdb", str(run), "--url", influxd.url, "--bucket", database]) == 2
    assert "as where a folder was copied" in capsys.readouterr().err


@pytest.mark.parametrize("patience", ["nan", "inf", "-1", "soon"])
def test_patience_is_a_number_of_seconds(run: Path, patience: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["export", "influxdb", str(run), f"--patience={patience}"])
    assert "is no number of seconds" in capsys.readouterr().err


def test_points_of_a_type_that_the_database_refuses_are_kept(run: Path, influxd: Influxd, database: str) -> None:
    """The others arrive; the refused ones are in the run folder with the server's words, each once."""
    refused = [point for point in points_of(run) if point.measurement == "clock"]
    _write(influxd, database, f'clock,node=other exchanges="text" {refused[0].time_ns}')
    for arriving in (len(expected(run)) - len(refused), 0):
        outcome = export(asked(run, influxd.url, database))
        assert not outcome.ok
        assert outcome.total("written") == arriving
        assert "field type conflict" in "\n".join(lines(outcome))
        assert outcome.total("dead_letters") == len(refused)
        assert outcome.total("missing") == outcome.total("different") == 0
    kept = [
        json.loads(text)
        for path in run.glob("exports/*.refused/*.jsonl")
        for text in path.read_text().split("\n")[:-1]
    ]
    assert {one["line"] for one in kept} == {line(point) for point in refused}
    assert all("field type conflict" in one["said"] and one["status"] == 400 for one in kept)
    there = {key for key in on_influxd(influxd, database) if key[0] != "clock"}
    assert there == {key for key in expected(run) if key[0] != "clock"}


def test_the_server_is_killed_three_times(run: Path, tmp_path: Path) -> None:
    """SIGKILL while it is written to and read from: all is there in the end, once."""
    require("influxd", "influxdb")
    server = Influxd(tmp_path / "influxd")
    server.start()
    kills = iter((3, 2, 4))
    countdown = [next(kills)]

    def kill_now_and_then(_trial: str, _what: str, _points: int) -> None:
        countdown[0] -= 1
        if countdown[0] == 0:
            server.kill()
            threading.Timer(0.3, server.start).start()
            countdown[0] = next(kills, -1)

    try:
        server.create("killed")
        wanted = asked(run, server.url, "killed")
        outcome = export(
            Asked(run_dir=run, target=wanted.target, token=wanted.token, patience_s=60.0, progress=kill_now_and_then)
        )
        assert countdown[0] < 0, "it was not killed three times"
        assert outcome.ok
        assert typed(on_influxd(server, "killed")) == typed(expected(run))
    finally:
        server.stop()


def test_victoria_metrics_loses_what_was_read_back(run: Path, tmp_path: Path) -> None:
    """SIGKILL once the first trial has been read back, and twice more: what is lost is found, and sent again."""
    require("victoria-metrics", "victoria-metrics")
    _with_a_plain_campaign(run)
    server = Victoria(tmp_path / "victoria")
    server.start()
    (first, second), killed = sorted(path.name for path in (run / "trials").iterdir()), list[str]()

    def kill(trial: str, what: str, _points: int) -> None:
        if (trial, what) == (first, "written") and not killed:
            killed.append("the first trial is written")
        elif (trial, what) == (second, "written") and len(killed) == 1:
            killed.append("the second is written, the first was read back")
        elif (trial, what) == (second, "read back") and len(killed) == 2:
            killed.append("the second is read back")
        else:
            return
        server.kill()
        threading.Timer(0.2, server.start).start()

    try:
        wanted = asked(run, server.url, "any")
        outcome = export(Asked(run_dir=run, target=wanted.target, token=wanted.token, patience_s=60.0, progress=kill))
        assert len(killed) == 3
        assert outcome.ok
        assert outcome.trials[0].sent_again > 0
        assert _on_victoria(server) >= _numbers(run)
    finally:
        server.stop()


def test_numbers_are_on_victoria_metrics(run: Path, victoria: Victoria) -> None:
    """It says what cannot be kept there; sets of samples are compared.

    It takes a backslash before an escaped space for the escape of that backslash, and refuses such a line in silence:
    the campaign of this test has none.
    """
    _with_a_plain_campaign(run)
    outcome = export(asked(run, victoria.url, "any"))
    assert outcome.ok
    assert not outcome.unverified
    assert "millisecond" in outcome.keeps
    assert _on_victoria(victoria) >= _numbers(run)


def test_a_server_that_is_away_at_first_gets_all_later(run: Path, influxd: Influxd, database: str) -> None:
    """The export ends with one message; the next one is complete."""
    from testbed.sink.errors import AwayError

    with pytest.raises(AwayError, match="Connection refused"):
        export(asked(run, "http://127.0.0.1:1", database))
    assert export(asked(run, influxd.url, database)).ok


def test_a_proxy_of_the_environment_is_not_used(
    run: Path, influxd: Influxd, database: str, v2_front: V2Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loopback stays loopback."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert export(asked(run, influxd.url, database)).ok
    assert export(asked(run, v2_front.url, database, v2_front.token)).ok


def _write(server: Influxd, database: str, lines: str) -> None:
    address = f"{server.url}/write?{urllib.parse.urlencode({'db': database, 'precision': 'ns'})}"
    request = urllib.request.Request(address, data=lines.encode())
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20):
        pass


def _get(url: str) -> str:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=20) as answer:
        return str(answer.read().decode())


def _with_a_plain_campaign(run: Path) -> None:
    """Without a backslash before what is escaped in a tag."""
    for path in run.glob("trials/*/trial.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "campaign": 'odd, "name" = ü\nof two'}))


def _numbers(run: Path) -> set[tuple[str, Tags, int]]:
    """The series and milliseconds of which victoria-metrics keeps a number."""
    return {
        (f"{point.measurement}_{name}", point.tags, point.time_ns // 1_000_000)
        for point in points_of(run)
        for name, value in point.fields.items()
        if not isinstance(value, str)
    }


def _on_victoria(server: Victoria) -> set[tuple[str, Tags, int]]:
    """What is there, each once."""
    match = {"match[]": '{__name__=~"(link|system|process|clock|trial)_.*"}', "start": 0, "end": 4e9}
    there = set()
    for text in _get(f"{server.url}/api/v1/export?{urllib.parse.urlencode(match)}").splitlines():
        document = json.loads(text)
        name = document["metric"].pop("__name__")
        moments = [(name, tuple(sorted(document["metric"].items())), ms) for ms in document["timestamps"]]
        assert len(set(moments)) == len(moments)
        there |= set(moments)
    return there
