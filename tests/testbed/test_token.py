"""Where a token may come from, and that it shows itself to nobody."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from testbed.token import GRAFANA, INFLUXDB, Token, TokenError, required_token, token

SECRET = "s3cret"


def test_the_file_counts_before_the_environment(tmp_path: Path) -> None:
    """And of the environment influxdb-client's own name first; white space around it is none of it."""
    environment = {"INFLUXDB_TOKEN": "other", "INFLUXDB_V2_TOKEN": f" {SECRET}\n", "GRAFANA_TOKEN": "grafana"}
    assert token(environment, INFLUXDB).value == SECRET
    assert token(environment, GRAFANA).value == "grafana"
    assert not token({"INFLUXDB_TOKEN": ""}, INFLUXDB)
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("in a file\n")
    assert token(environment, INFLUXDB, file).value == "in a file"


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "gr\u00fcn", "a\x00b"])
def test_what_is_no_token(tmp_path: Path, text: str) -> None:
    """In a file it is said where; in the environment an empty one is none."""
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    with pytest.raises(TokenError, match=f"token file {file}: holds no token of one line"):
        token({}, INFLUXDB, file)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    """To read, write or run."""
    file = tmp_path / "token"
    file.write_text(SECRET)
    file.chmod(mode)
    with pytest.raises(TokenError, match="chmod 600") as raised:
        token({}, INFLUXDB, file)
    assert SECRET not in str(raised.value)


def test_what_is_no_file(tmp_path: Path) -> None:
    """One message each."""
    with pytest.raises(TokenError, match="No such file"):
        token({}, INFLUXDB, tmp_path / "absent")
    with pytest.raises(TokenError, match="no plain file"):
        token({}, INFLUXDB, tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(TokenError, match="no plain file"):
        token({}, INFLUXDB, tmp_path / "pipe")


def test_where_there_must_be_one() -> None:
    """The message names the variables and who makes a token."""
    with pytest.raises(TokenError, match=r"INFLUXDB_V2_TOKEN or INFLUXDB_TOKEN is not set\. Ask the server\."):
        required_token({}, INFLUXDB, None, maker="Ask the server")


def test_it_shows_itself_to_nobody() -> None:
    """Not in a representation, nor in what a server says back."""
    of_user = Token(f"me:{SECRET}")
    assert SECRET not in repr(of_user)
    assert of_user.taken_from(f"wrong: me:{SECRET}, {SECRET}") == "wrong: ..., ..."
    assert repr(Token()) == "Token()"
