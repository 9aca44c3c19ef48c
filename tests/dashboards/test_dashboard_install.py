"""`fedprobe dashboards`: into servers that answer as documented, and what is said where that cannot be."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from testbed.cli import main
from testbed.dashboards.boards import DASHBOARDS
from testbed.dashboards.exporting import SHIPPED
from tests.dashboards.fake_servers import TOKEN, FakeGrafana, FakeInfluxdb, Reply, served

Run = Callable[..., tuple[int, str, str]]
UIDS = {dashboard.uid for dashboard in DASHBOARDS}


@pytest.fixture
def fedprobe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command with these variables: its exit code, stdout and stderr."""
    for name in ("GRAFANA_TOKEN", "INFLUXDB_TOKEN", "INFLUXDB_V2_TOKEN", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def run(*arguments: str | Path, **environment: str) -> tuple[int, str, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        code = main(["dashboards", *map(str, arguments)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def refused(answer: tuple[int, str, str], code: int, *words: str) -> None:
    """One message that holds these words, no token, and no traceback."""
    assert answer[0] == code, answer
    (message,) = [line for line in answer[2].splitlines() if line.startswith("fedprobe: ")]
    for word in words:
        assert word in message, message
    assert message.endswith((".", "?")), message
    assert "Traceback" not in answer[2]


def test_grafana_gets_every_dashboard_and_a_second_time_replaces_them(fedprobe: Run) -> None:
    server = FakeGrafana()
    with served(server) as url:
        for _ in range(2):
            code, out, _ = fedprobe("install", "--grafana-url", url, GRAFANA_TOKEN=TOKEN)
            assert code == 0
            assert out.count("/d/fedprobe-") == len(UIDS)
    assert set(server.dashboards) == UIDS
    assert all(one["folderUid"] == "" for one in server.dashboards.values())


def test_a_folder_and_a_data_source(fedprobe: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(f"{TOKEN}\n")
    server = FakeGrafana()
    arguments = ("--token-file", token, "--folder", "Measurements", "--source-url", "http://influxdb:8086")
    with served(server) as url:
        for done in ("made", "brought up to date"):
            code, out, err = fedprobe("install", "--grafana-url", f"{url}/", *arguments, INFLUXDB_TOKEN="of influx")
            assert code == 0, err
            assert f"data source fedprobe: {done}" in err
            assert "of influx" not in out + err
    assert all(one["folderUid"] == "f1" for one in server.dashboards.values())
    source = server.sources["fedprobe"]
    assert source["jsonData"]["version"] == "InfluxQL"
    assert source["secureJsonData"] == {"httpHeaderValue1": "Token of influx"}


def test_influxdb_gets_the_template_once(fedprobe: Run) -> None:
    server = FakeInfluxdb()
    with served(server) as url:
        for _ in range(2):
            code, out, _ = fedprobe("install", "--influxdb-url", url, "--org", "lab", INFLUXDB_TOKEN=TOKEN)
            assert code == 0
            assert out.count("syntax-checked only") == len(UIDS)
    assert len(server.stacks) == 1
    assert {one["metadata"]["name"] for one in server.made["00"] if one["kind"] == "Dashboard"} == UIDS


def test_what_grafana_refuses_is_one_message(fedprobe: Run) -> None:
    server = FakeGrafana()
    with served(server) as url:
        install = ("install", "--grafana-url", url)
        refused(fedprobe(*install), 2, "GRAFANA_TOKEN is not set", "Service accounts")
        refused(fedprobe(*install, GRAFANA_TOKEN="wrong"), 1, "does not take the token", "Invalid API key")
        assert not server.dashboards
        folder = fedprobe(*install, "--folder", "Measurement", GRAFANA_TOKEN=TOKEN)
        refused(folder, 2, "no folder Measurement", "Did you mean Measurements?")
        server.sources["fedprobe"] = {"uid": "s1", "type": "prometheus", "name": "fedprobe"}
        refused(fedprobe(*install, "--source-url", "http://x:1"), 1, "is of type prometheus")
        server.forbidden = {"/api/dashboards/db"}
        refused(fedprobe(*install), 1, "to save a dashboard", "role Editor")
        server.forbidden, server.panels_kept = set(), 2
        refused(fedprobe(*install), 1, "shows 2 of its")


def test_what_is_no_grafana_is_said(fedprobe: Run) -> None:
    with served(FakeInfluxdb()) as url:
        refused(fedprobe("install", "--grafana-url", url, GRAFANA_TOKEN=TOKEN), 1, "not as Grafana does")
    nobody = fedprobe("install", "--grafana-url", url, GRAFANA_TOKEN=TOKEN)
    refused(nobody, 1, "no answer", "Is it running")


def test_a_token_does_not_follow_a_redirect(fedprobe: Run) -> None:
    class Elsewhere(FakeGrafana):
        def open_to_all(self, path: str) -> Reply | None:
            return 302, other

    target = FakeGrafana()
    with served(target) as other, served(Elsewhere()) as url:
        refused(fedprobe("install", "--grafana-url", url, GRAFANA_TOKEN=TOKEN), 1, f"sends on to {other}")
    assert target.seen == []


def test_what_influxdb_refuses_is_one_message(fedprobe: Run) -> None:
    server = FakeInfluxdb()
    with served(server) as url:
        install = ("install", "--influxdb-url", url)
        refused(fedprobe(*install, INFLUXDB_TOKEN="wrong"), 1, "does not take the token")
        refused(fedprobe(*install, INFLUXDB_TOKEN=TOKEN), 2, "sees no organisation fedprobe", "--org")
        server.version = "v3.4.0"
        refused(fedprobe(*install, "--org", "lab"), 1, "is InfluxDB 3.4.0", "Grafana shows")
    with served(FakeGrafana()) as url:
        refused(fedprobe("install", "--influxdb-url", url), 1, "not as InfluxDB 2 does")
    assert not server.made


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("install",), "state one server"),
        (("install", "--grafana-url", "http://a", "--influxdb-url", "http://b"), "state one server"),
        (("install", "--grafana-url", "grafana.lab"), "is no address"),
        (("install", "--grafana-url", "http://me:secret@grafana.lab"), "holds a user or password"),
        (("install", "--grafana-url", "http://grafana.lab:99999"), "is no address"),
        (("install", "--grafana-url", "grafana.lab/me:secret@"), "is no address"),
        (("install", "--grafana-url", "http://a", "--org", "x"), "--org: not of this server"),
        (("install", "--out", "x"), "--out: of export alone"),
        (("export", "--folder", "x"), "--folder: of install alone"),
        (("install", "--grafana-url", "https://127.0.0.1:1", "--ca", "/dev/null"), "holds no certificate"),
    ],
)
def test_options_that_cannot_be_meant(fedprobe: Run, arguments: tuple[str, ...], words: str) -> None:
    answer = fedprobe(*arguments, GRAFANA_TOKEN=TOKEN)
    refused(answer, 2, words)
    assert "secret" not in answer[2]


def test_a_token_file_that_others_may_read_is_refused(fedprobe: Run, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("hidden")
    token.chmod(0o644)
    answer = fedprobe("install", "--grafana-url", "http://127.0.0.1:1", "--token-file", token)
    refused(answer, 2, "others may use it (mode 0644)", "chmod 600")
    assert "hidden" not in answer[2]
    token.chmod(0o600)
    token.write_text("two\nlines")
    refused(fedprobe("install", "--grafana-url", "http://127.0.0.1:1", "--token-file", token), 2, "of one line")
    refused(fedprobe("install", "--grafana-url", "http://127.0.0.1:1", "--token-file", tmp_path / "none"), 2, "none")


def certificate(folder: Path, *, name: str) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate of its own for an address, and the file that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(name))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "certificate.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


def test_tls_is_verified(fedprobe: Run, tmp_path: Path) -> None:
    context, authority = certificate(tmp_path, name="127.0.0.1")
    server = FakeGrafana()
    with served(server, context) as url:
        refused(fedprobe("install", "--grafana-url", url, GRAFANA_TOKEN=TOKEN), 1, "not accepted", "--ca")
        assert server.seen == []
        assert fedprobe("install", "--grafana-url", url, "--ca", authority)[0] == 0
        plain = url.replace("https", "http")
        assert fedprobe("install", "--grafana-url", plain)[0] == 1
    assert set(server.dashboards) == UIDS


def test_a_certificate_for_another_name_is_refused(fedprobe: Run, tmp_path: Path) -> None:
    context, authority = certificate(tmp_path, name="127.0.0.2")
    with served(FakeGrafana(), context) as url:
        answer = fedprobe("install", "--grafana-url", url, "--ca", authority, GRAFANA_TOKEN=TOKEN)
    refused(answer, 1, "not accepted", "127.0.0.1")


def test_https_where_http_is_spoken_is_said(fedprobe: Run) -> None:
    with served(FakeGrafana()) as url:
        answer = fedprobe("install", "--grafana-url", url.replace("http", "https"), GRAFANA_TOKEN=TOKEN)
    refused(answer, 1, "Is it http:// there?")


def test_export_writes_what_is_shipped(fedprobe: Run, tmp_path: Path) -> None:
    folder = tmp_path / "boards"
    for _ in range(2):  # the second replaces the first
        code, out, _ = fedprobe("export", "--out", folder)
        assert code == 0
        assert out.splitlines()[-1] == f"dashboards: {folder}"
        (folder / ".env").write_text("INFLUXDB_TOKEN=kept")
    names = {path.relative_to(SHIPPED) for path in SHIPPED.rglob("*") if path.is_file()}
    assert {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()} == {*names, Path(".env")}
    assert (folder / "influxdb/first-start.sh").stat().st_mode & 0o777 == 0o755
    assert (folder / "docker-compose.yml").stat().st_mode & 0o777 == 0o644


def test_export_leaves_a_folder_of_something_else_alone(fedprobe: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    refused(fedprobe("export", "--out", tmp_path), 2, "holds other files")
    refused(fedprobe("export", "--out", tmp_path / "mine.txt"), 2, "is no folder")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_first_start_script_is_shell(tmp_path: Path) -> None:
    import subprocess

    script = SHIPPED / "influxdb/first-start.sh"
    subprocess.run(["sh", "-n", script], check=True)
    text = script.read_text(encoding="utf-8")
    assert re.search(r"influx v1 dbrp create .*\n.*--db fedprobe --rp autogen --default", text)
