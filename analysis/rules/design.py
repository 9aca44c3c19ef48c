"""What the campaign's design allows to be said: repetitions, priorities, waits, emulation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from analysis.formats import count, listed, percent
from analysis.measured import Measured
from analysis.model import TrialTimes
from analysis.samples import is_usable
from analysis.verdicts import Verdict
from analysis.waiting import WAITING_PHASES
from analysis.warm_up import warm_up_rounds

LARGE_SHARE = 0.3
START_PHASES = ("boot", "app_load")


def single_trial(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """One trial of an interface: its intervals speak of that run's rounds, not of the next run."""
    alone = [name for name, number in measured.trials.items() if number == 1]
    if alone:
        yield Verdict(
            severity="warn",
            rule="single_trial",
            finding=f"one trial only for {listed(alone)}: its intervals are within-run and say nothing about "
            "repeatability.",
            next_step="Set repetitions = 5 in the campaign file; the same set-up moved two-fold between runs on two "
            "busy cores.",
        )


def polling(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Flower's own sleeps can be most of a round, and are no network."""
    shares = {name: _share_of(measured, name, WAITING_PHASES) for name in measured.interfaces}
    parts = _large(shares)
    if parts:
        yield Verdict(
            severity="info",
            rule="polling",
            finding=f"of wall time, waiting for Flower's polling takes {parts}.",
            next_step="Compare networks by t_r and the active times, not by wall time.",
        )


def start_up(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A ClientApp is a new Python process for every message; on few cores that can be most of a round."""
    parts = _large({name: _share_of(measured, name, START_PHASES) for name in measured.interfaces})
    if parts:
        yield Verdict(
            severity="info",
            rule="start_up",
            finding=f"of wall time, waiting for ClientApps to start takes {parts}.",
            next_step="Put the clients on hosts of their own, or give fewer clients to a core: start-up also slows "
            "the transfers beside it.",
        )


def _share_of(measured: Measured, name: str, phases: Sequence[str]) -> float:
    return sum(share for phase, share in measured.share(name).items() if phase in phases)


def _large(shares: Mapping[str, float]) -> str:
    large = [f"{percent(share)} on {name}" for name, share in shares.items() if share > LARGE_SHARE]
    return listed(large) if large else ""


def no_priorities(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """On few cores the ClientApps' start-up steals the processor from the transfers: not asked for, or refused."""
    usable = [trial for trial in trials if is_usable(trial)]
    refused = Counter(reason for trial in usable for _, reason in trial.refused_priorities)
    without = [
        trial.facts.name
        for trial in usable
        if trial.facts.settings.get("priorities") is False or trial.refused_priorities
    ]
    if without:
        words = [
            f"; {count(refused.total(), 'refusal')}, most often: {reason}" for reason, _ in refused.most_common(1)
        ]
        yield Verdict(
            severity="warn",
            rule="no_priorities",
            finding=f"no process priorities in {count(len(without), 'trial')} ({listed(without)}): on two cores this "
            f"more than doubled ethernet's active uplink{''.join(words)}.",
            next_step="Run as root, or grant CAP_SYS_NICE, so that SuperLink and SuperNodes go before ClientApps.",
        )


def changed_waits(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A run that shortened Flower's sleeps is not a run of Flower as released."""
    changed = [
        (trial.facts.name, trial.facts.settings["fast_waits_s"])
        for trial in trials
        if is_usable(trial) and trial.facts.settings.get("fast_waits_s")
    ]
    if changed:
        yield Verdict(
            severity="warn",
            rule="changed_waits",
            finding=f"Flower's waits were shortened to {changed[0][1]} s in {count(len(changed), 'trial')}: clients "
            "transfer in step, and share the cell more than they would.",
            next_step="State it with every number, and compare only with runs of the same waits.",
        )


def emulated(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """An emulated network has rates and delays, no radio."""
    found = [trial for trial in trials if trial.facts.emulator and is_usable(trial)]
    if found:
        kind = found[0].facts.emulator.get("kind", "emulator")
        yield Verdict(
            severity="info",
            rule="emulated",
            finding=f"emulated, not radio ({kind}, {count(len(found), 'trial')}): rates, delay and sharing are as "
            "declared; fading, handover and scheduling are not there.",
            next_step="Claim nothing about radio from this run; repeat the campaign file on hardware.",
        )


def warm_up(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Rounds that the campaign marked: they are in the records, and in no estimate."""
    marked = [warm_up_rounds(trial) for trial in trials if is_usable(trial) and warm_up_rounds(trial)]
    if marked:
        yield Verdict(
            severity="info",
            rule="warm_up",
            finding=f"{count(sum(marked), 'round')} of {count(len(marked), 'trial')} are marked as warm-up: they are "
            "in the records and in no estimate.",
            next_step="Nothing; design.warmup_rounds of the campaign file says how many.",
        )


RULES = (single_trial, no_priorities, changed_waits, polling, start_up, warm_up, emulated)
