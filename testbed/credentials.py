"""A trial's certificates and keys on its hosts, and what Flower's programs are told of them.

All are made in this process's memory for one trial. A private key lies on the host that uses it and nowhere else, for
that host's user alone, is never fetched, and is removed when the trial ends. The authority that signs is forgotten at
once, so that a key which was left behind by a controller that was killed opens nothing afterwards.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from testbed.authentication import new_supernode_key
from testbed.certificates import certificates_for
from testbed.every_host import on_every_host
from testbed.inventory import Host, Inventory
from testbed.shell import Shell

AUTHORITY, SERVER, SERVER_KEY, NODE_KEY = "authority.pem", "server.pem", "server.key", "supernode.key"
_COMMAND_S = 30.0
LOOPBACK = ("127.0.0.1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Of one trial's server and nodes; nothing is made where the inventory's security is "none".

    `folder` is below each host's work folder.
    """

    inventory: Inventory
    nodes: Sequence[Host]
    sessions: Mapping[str, Shell]
    folder: str

    @property
    def encrypted(self) -> bool:
        """Whether SuperLink and SuperNodes speak TLS."""
        return self.inventory.security != "none"

    @property
    def authenticated(self) -> bool:
        """Whether the SuperLink takes none but the SuperNodes that are registered there."""
        return self.inventory.security == "tls+supernode-auth"

    def put(self) -> None:
        """Make everything and put each part where it is used. Raises RemoteError."""
        if not self.encrypted:
            return
        texts = self._texts()
        hosts = [self.inventory.server, *self.nodes]
        on_every_host(hosts, lambda host: self._write(host, texts[host.name])).required()

    def remove(self, host: Host) -> None:
        """Take everything from a host. Raises RemoteError."""
        if self.encrypted:
            self.sessions[host.name].check(["rm", "-rf", "--", self._path(host)], timeout_s=_COMMAND_S)

    def superlink_options(self) -> list[str]:
        """What the SuperLink is told."""
        if not self.encrypted:
            return ["--insecure"]
        server = self.inventory.server
        files = {"--ssl-ca-certfile": AUTHORITY, "--ssl-certfile": SERVER, "--ssl-keyfile": SERVER_KEY}
        told = [word for option, name in files.items() for word in (option, self._path(server, name))]
        return [*told, *(["--enable-supernode-auth"] if self.authenticated else [])]

    def supernode_options(self, node: Host) -> list[str]:
        """What a SuperNode is told."""
        if not self.encrypted:
            return ["--insecure"]
        key = ["--auth-supernode-private-key", self._path(node, NODE_KEY)] if self.authenticated else []
        return ["--root-certificates", self._path(node, AUTHORITY), *key]

    def connection_line(self) -> str:
        """The line of Flower's config.toml on the server host, for the `flwr` command."""
        if not self.encrypted:
            return "insecure = true"
        return f'root-certificates = "{self._path(self.inventory.server, AUTHORITY)}"'

    def public_key(self, node: Host) -> str:
        """Where a node's public key lies on the server host."""
        return self._path(self.inventory.server, f"{node.name}.pub")

    def _texts(self) -> Mapping[str, Mapping[str, str]]:
        """New texts for the files of each host, by its name."""
        made = certificates_for([*self.inventory.server_addresses.values(), *LOOPBACK])
        of_server = {AUTHORITY: made.authority, SERVER: made.server, SERVER_KEY: made.server_key}
        found = {self.inventory.server.name: of_server}
        for node in self.nodes:
            found[node.name] = {AUTHORITY: made.authority}
            if self.authenticated:
                key = new_supernode_key()
                found[node.name][NODE_KEY] = key.private
                of_server[f"{node.name}.pub"] = key.public
        return found

    def _path(self, host: Host, *parts: str) -> str:
        return posixpath.join(host.work_folder, self.folder, *parts)

    def _write(self, host: Host, texts: Mapping[str, str]) -> None:
        shell = self.sessions[host.name]
        shell.check(["mkdir", "-p", "-m", "700", "--", self._path(host)], timeout_s=_COMMAND_S)
        for name, text in texts.items():
            path = self._path(host, name)
            shell.check(["install", "-m", "600", "/dev/null", path], timeout_s=_COMMAND_S)
            shell.write_text(path, text)
