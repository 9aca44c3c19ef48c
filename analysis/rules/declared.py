"""What the inventory declares of its testbed that a reader of the report must know: management, clocks, security."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.formats import count, listed
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.samples import interface_order, is_usable, natural
from analysis.verdicts import Verdict


def management_shared(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Hosts that are logged in to over a measured network: SSH and clock exchanges travel with what is measured."""
    hosts: dict[str, set[str]] = {}
    for trial in trials:
        declared = trial.facts.settings.get("management_on")
        if is_usable(trial) and isinstance(declared, dict):
            for network, names in declared.items():
                hosts.setdefault(network, set()).update(names)
    for network in sorted(hosts, key=interface_order):
        names = sorted(hosts[network], key=natural)
        yield Verdict(
            severity="warn",
            rule="management_shared",
            finding=f"management uses {network} too, on {count(len(names), 'host')} ({listed(names)}): "
            "logins and clock exchanges are in its counters and may delay a transfer.",
            next_step=f"Give these hosts a management address on a network of its own, or leave {network} out of "
            "what is compared.",
        )


def shared_clock(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Hosts of one kernel read one wall clock: chrony has nothing to set there, and nothing is learned of it."""
    found = [trial for trial in trials if is_usable(trial) and trial.facts.settings.get("clock") == "shared"]
    if found:
        yield Verdict(
            severity="info",
            rule="shared_clock",
            finding=f'the inventory says clock = "shared" ({count(len(found), "trial")}): all hosts read one wall '
            "clock, so chrony is not provisioned there.",
            next_step="Claim nothing about synchronised clocks from this run; on hosts with clocks of their own "
            "chrony keeps them.",
        )


_SECURITY = {
    "tls": "SuperLink and SuperNodes spoke TLS, with certificates made for each trial",
    "tls+supernode-auth": "SuperLink and SuperNodes spoke TLS, and the SuperLink took those SuperNodes alone that "
    "proved a key registered before; certificates and keys were made for each trial",
}


def secured(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Encryption costs bytes and time, which are part of what was measured."""
    for security, meaning in _SECURITY.items():
        found = [trial for trial in trials if is_usable(trial) and trial.facts.settings.get("security") == security]
        if found:
            yield Verdict(
                severity="info",
                rule="secured",
                finding=f'the inventory says security = "{security}" ({count(len(found), "trial")}): {meaning}.',
                next_step="Compare with runs of the same security: TLS adds a handshake to each connection and 22 "
                "bytes to each 16 KiB, and both ends encrypt.",
            )


def rootless(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Without root the emulated links wait for the processor like everybody."""
    found = [trial for trial in trials if is_usable(trial) and trial.facts.emulator.get("rootless")]
    if found:
        yield Verdict(
            severity="info",
            rule="rootless",
            finding=f"the emulated testbed was an ordinary user's ({count(len(found), 'trial')}): its delay element "
            "had no real-time priority. How late it was is measured in every trial.",
            next_step="Run as root (sudo) where lateness or missing priorities are found.",
        )


RULES = (management_shared, shared_clock, secured, rootless)
