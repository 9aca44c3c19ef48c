"""Are the files whole? Spools that cannot be read, packet captures that were not made or lost packets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from analysis.formats import count, listed
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.samples import is_usable
from analysis.verdicts import Verdict

# without these there is no round, or no axis to put it on
SERVER_ROLES = ("flower-superlink", "flwr-serverapp")
CLIENT_ROLES = ("flower-supernode", "flwr-clientapp")


def unreadable_files(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Spool files of which nothing was used: what they held is absent from every number, and the rest stands."""
    for trial in trials:
        if not trial.unreadable or trial.facts.warmup:
            continue
        server = any(role in SERVER_ROLES or not role for _, role, _ in trial.unreadable)
        client = any(role in CLIENT_ROLES for _, role, _ in trial.unreadable)
        whose = [f"{host} ({role})" if role else "an unknown process" for host, role, _ in trial.unreadable]
        yield Verdict(
            severity="unfit" if server else "warn",
            rule="unreadable_files",
            finding=f"trial {trial.facts.name}: {count(len(trial.unreadable), 'spool file')} cannot be read, of "
            f"{listed(whose)}: {trial.unreadable[0][2].rstrip('.')}."
            + (" The server's own records are not whole." if server else " Nothing of it is in any number."),
            next_step="Fetch it from its host again, or repeat the trial."
            + (" Rounds that lack a client's records have no t_r, shares or straggler." if client else ""),
        )


def failed_captures(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Packet captures that a host was asked for and did not make, or not to their end: by host and reason."""
    found: dict[tuple[str, str], list[TrialTimes]] = {}
    for trial in trials:
        for host, reason in trial.failed_captures:
            found.setdefault((host, reason), []).append(trial)
    for (host, reason), of in found.items():
        begun = any(made.host == host and made.packets is None for trial in of for made in trial.captures)
        yield Verdict(
            severity="warn",
            rule="failed_captures",
            finding=f"no {'whole ' if begun else ''}capture on {host} in {count(len(of), 'trial')}: "
            f"{reason.rstrip('.')}.",
            next_step="Every other number stands. For wire times of that host, do what it says and repeat the trial.",
        )


def capture_dropped(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A capture with drops: a packet that is missing may be the first or the last of a transfer.

    Where the campaign does not allow them the trial is invalid, which is told elsewhere.
    """
    for trial in filter(is_usable, trials):
        for capture in trial.captures:
            if capture.dropped:
                of = "" if capture.packets is None else f" of {capture.dropped + capture.packets:,}"
                yield Verdict(
                    severity="warn",
                    rule="capture_dropped",
                    finding=f"trial {trial.facts.name}: the capture on {capture.host}, {capture.interface}, lost "
                    f"{capture.dropped:,}{of} packets: wire times of {capture.host} are not to be used.",
                    next_step="Every other number stands. Capture fewer interfaces, write to a faster disk, or give "
                    "the host a core that is free, and repeat the trial.",
                )


RULES = (unreadable_files, failed_captures, capture_dropped)
