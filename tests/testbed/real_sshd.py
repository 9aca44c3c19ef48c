"""A real sshd on loopback, as a child of the tests, with keys of its own."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from instrument.clock import sleep_s
from testbed.emulation import keys
from testbed.emulation.hosts import sshd_program
from testbed.login import Login

TRIES = 500


@dataclass
class Sshd:
    """One server. `public` is its host key's line; `login` logs in to it as this user."""

    folder: Path
    process: subprocess.Popen[bytes]
    public: str
    login: Login

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def stop(self) -> None:
        """End the server, by its pid."""
        self.process.terminate()
        self.process.wait(timeout=10)


def start(
    folder: Path, name: str = "host", *, more: str = "", key_types: tuple[str, ...] = (), sftp: bool = True
) -> Sshd:
    """Start a server; returns when it answers. `more` is added to its configuration."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd of Debian insists on it
    folder.mkdir(parents=True, exist_ok=True)
    public = keys.new_key(folder / "host_key")
    (folder / "authorized_keys").write_text(f"{keys.new_key(folder / 'key')}\n")
    host_keys = [folder / "host_key"]
    for kind in key_types:
        host_keys.append(folder / f"host_key_{kind}")
        make = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(host_keys[-1])]
        subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
    port = _free_port()
    lines = [
        f"ListenAddress 127.0.0.1:{port}",
        *(f"HostKey {path}" for path in host_keys),
        f"AuthorizedKeysFile {folder}/authorized_keys",
        "StrictModes no",
        "PermitRootLogin prohibit-password",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "UsePAM no",
        "UseDNS no",
        "PidFile none",
        "MaxStartups 100",
        "MaxSessions 100",
        "LogLevel VERBOSE",
        *(["Subsystem sftp internal-sftp"] if sftp else []),
        more,
    ]
    (folder / "config").write_text("\n".join([*lines, ""]))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sshd_program(), "-D", "-e", "-f", str(folder / "config")],
            stdin=subprocess.DEVNULL,
            stderr=log,
            stdout=log,
        )
    known = folder / "known_hosts"
    known.write_text(f"[127.0.0.1]:{port} {public}\n")
    login = Login(
        name=name, address="127.0.0.1", port=port, user=getpass.getuser(), key=folder / "key", known_hosts=known
    )
    made = Sshd(folder=folder, process=process, public=public, login=login)
    for _ in range(TRIES):
        if _answers(port):
            return made
        if process.poll() is not None:
            break
        sleep_s(0.02)
    made.stop()
    raise AssertionError(f"sshd does not answer: {made.log}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
