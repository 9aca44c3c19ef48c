"""`fedprobe export influxdb` as a user types it: one message for each thing that can be wrong, never the token."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from testbed.cli import main
from testbed.sink.feed import Feed
from testbed.sink.table import InfluxTable
from tests.servers.influxd import Influxd
from tests.servers.v2_front import V2Front
from tests.servers.victoria import Victoria

SECRET = "s3cret-that-nobody-may-see"


def test_it_makes_the_database_and_prints_one_document(
    run: Path, influxd: Influxd, capsys: pytest.CaptureFixture[str]
) -> None:
    """--create, --json, --trial."""
    bucket = 'made "here"'
    (name, *_) = sorted(path.name for path in (run / "trials").iterdir())
    words = ["export", "influxdb", str(run), "--url", influxd.url, "--bucket", bucket, "--trial", name, "--json"]
    assert main(words) == 2
    assert "--create" in capsys.readouterr().err
    assert main([*words, "--create"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [trial["trial"] for trial in document["trials"]] == [name]
    assert document["verified"]
    assert document["missing"] == document["different"] == document["duplicates"] == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--url", "http://127.0.0.1:1", "--bucket", "b"], 1, "Connection refused"),
        (["--url", "ftp://127.0.0.1", "--bucket", "b"], 2, "no http or https address"),
        (["--url", f"http://me:{SECRET}@127.0.0.1", "--bucket", "b"], 2, "INFLUXDB_TOKEN"),
        (["--url", "http://127.0.0.1:8086/?db=b", "--bucket", "b"], 2, "--bucket"),
        (["--url", "http://127.0.0.1:1"], 2, "--bucket"),
        ([], 2, "[influxdb]"),
        (["--url", "http://127.0.0.1:1", "--bucket", "b", "--trial", "000-ethernet"], 2, "Did you mean"),
        (["--url", "http://127.0.0.1:1", "--bucket", "b", "--ca", "absent.pem"], 2, "PEM"),
        (["--url", "http://127.0.0.1:1", "--bucket", "b", "--token-file", "absent"], 2, "chmod 600"),
    ],
)
def test_bad_input_is_one_message(
    run: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    """Said on stderr, with the exit code of its kind."""
    assert main(["export", "influxdb", str(run), *words]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert said in told.err
    assert told.err.count("\n") == 1
    assert SECRET not in told.err


def test_wrong_token_and_wrong_bucket(
    run: Path, database: str, v2_front: V2Front, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The token is in no message and in no file, whoever repeats it."""
    words = ["export", "influxdb", str(run), "--url", v2_front.url, "--org", "lab"]
    monkeypatch.setenv("INFLUXDB_TOKEN", SECRET)
    assert main([*words, "--bucket", database]) == 2
    assert "token is not accepted" in (told := capsys.readouterr().err)
    assert SECRET not in told
    monkeypatch.setenv("INFLUXDB_V2_TOKEN", v2_front.token)
    assert main([*words, "--bucket", "absent"]) == 2
    assert "no bucket or database 'absent'" in (told := capsys.readouterr().err)
    assert v2_front.token not in told
    assert main([*words, "--bucket", database]) == 0
    told = "".join(capsys.readouterr())
    assert v2_front.token not in told
    for path in run.rglob("*"):
        if path.is_file():
            held = path.read_bytes()
            assert v2_front.token.encode() not in held
            assert SECRET.encode() not in held


def test_a_server_of_1_with_users(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], influxd: Influxd
) -> None:
    """USER:PASSWORD in the token's place; a file of it that others may read is refused."""
    server = Influxd(tmp_path / "with users", user="writer", password=SECRET)
    server.start()
    try:
        words = ["export", "influxdb", str(run), "--url", server.url, "--bucket", "b", "--create"]
        monkeypatch.setenv("INFLUXDB_TOKEN", "writer:wrong")
        assert main(words) == 2
        assert "token is not accepted" in capsys.readouterr().err
        file = tmp_path / "token"
        file.write_text(f"writer:{SECRET}\n")
        file.chmod(0o640)
        assert main([*words, "--token-file", str(file)]) == 2
        assert f"chmod 600 {file}" in capsys.readouterr().err
        file.chmod(0o600)
        assert main([*words, "--token-file", str(file)]) == 0
        assert SECRET not in "".join(capsys.readouterr())
    finally:
        server.stop()


def test_what_is_no_database(run: Path, v2_front: V2Front, capsys: pytest.CaptureFixture[str]) -> None:
    """A web server that answers 404 to everything."""
    import http.server
    import threading

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as web:
        web.RequestHandlerClass.log_message = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=web.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{web.server_address[1]}"
        assert main(["export", "influxdb", str(run), "--url", url, "--bucket", "b"]) == 2
        web.shutdown()
    assert "is no InfluxDB" in capsys.readouterr().err


def test_a_full_server(run: Path, tmp_path: Path, victoria: Victoria, capsys: pytest.CaptureFixture[str]) -> None:
    """It says that it takes nothing more: one message, after some patience."""
    server = Victoria(tmp_path / "full", min_free_bytes=10**18)
    server.start()
    try:
        words = ["export", "influxdb", str(run), "--url", server.url, "--bucket", "b", "--patience", "1"]
        assert main(words) == 1
        assert "Traceback" not in (told := capsys.readouterr().err)
        assert "fedprobe:" in told
    finally:
        server.stop()


def test_a_campaign_feeds_its_database(run: Path, influxd: Influxd, database: str) -> None:
    """By a process of its own that takes the address from the run's campaign file."""
    table = InfluxTable(url=influxd.url, bucket=database)
    _campaign(run, table)
    said: list[str] = []
    with Feed(table, run, said.append) as feed:
        feed.begin()
        feed.pause()
        feed.finish()
    assert len(said) == 1
    assert "written and read back" in said[0]


def test_a_campaign_whose_database_is_away_is_told_once(run: Path) -> None:
    """And nothing else happens."""
    table = InfluxTable(url="http://127.0.0.1:1", bucket="b")
    _campaign(run, table)
    said: list[str] = []
    with Feed(table, run, said.append) as feed:
        feed.finish()
    (told,) = said
    assert "Connection refused" in told
    assert f"fedprobe export influxdb {run}" in told


def test_a_campaign_without_a_database_starts_nothing(run: Path) -> None:
    """Not even a folder is made."""
    with Feed(None, run, print) as feed:
        feed.begin()
        feed.finish()
    assert not (run / "exports").exists()


def _campaign(run: Path, table: InfluxTable) -> None:
    text = f"[influxdb]\nurl = {json.dumps(table.url)}\nbucket = {json.dumps(table.bucket)}\n"
    (run / "campaign.toml").write_text(text)
