"""What is declared of the testbed that a reader of the report must know: management, clocks, security, conditions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

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


def pi_like(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Emulated nodes whose processor time is limited: like a Pi's in amount, not a Pi's."""
    found = {trial.facts.name: limit for trial in trials if is_usable(trial) and (limit := _part(trial, "pi_like"))}
    if found:
        limit = next(iter(found.values()))
        yield Verdict(
            severity="info",
            rule="pi_like",
            finding=f"Pi-like processors in {count(len(found), 'trial')}: each node has {limit.get('cores')} of a "
            f"core of this machine (cgroup {limit.get('cgroup')}), in slices of {limit.get('period_ms', 'some')} ms.",
            next_step="Call these nodes Pi-like, never Pis: no share is known to equal one. A transfer may "
            "wait for a slice; measure compute times on hardware.",
        )


def background(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A sender of the emulator's own that takes its share of the network."""
    found = {trial.facts.name: one for trial in trials if is_usable(trial) and (one := _part(trial, "background"))}
    if found:
        one = next(iter(found.values()))
        yield Verdict(
            severity="info",
            rule="background",
            finding=f"a background sender in {count(len(found), 'trial')}: {_mbit(one.get('uplink_bit_per_s'))} up, "
            f"{_mbit(one.get('downlink_bit_per_s'))} down, as asked; what passed is in trial.json.",
            next_step="Bounds are of the empty cell: what is above them is congestion. Compare with a run without.",
        )


def traced(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Rates that followed a trace: there is no one rate, and so no bound."""
    found = {trial.facts.name: one for trial in trials if is_usable(trial) and (one := _part(trial, "trace"))}
    if found:
        one = next(iter(found.values()))
        yield Verdict(
            severity="info",
            rule="traced",
            finding=f"rates followed a trace in {count(len(found), 'trial')} ({one.get('file')}, repeated after "
            f"{one.get('period_s')} s), each trial from its beginning; every applied rate is in its rates.csv.",
            next_step="Read a transfer's time beside the rates that were applied then.",
        )


def _part(trial: TrialTimes, key: str) -> Mapping[str, object]:
    found = trial.facts.settings.get(key)
    return found if isinstance(found, Mapping) else {}


def _mbit(value: object) -> str:
    return f"{float(value) / 1e6:g} Mbit/s" if isinstance(value, int | float) else "nothing"


RULES = (management_shared, shared_clock, secured, rootless, pi_like, background, traced)
