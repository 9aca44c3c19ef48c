"""Is the record whole? Trials, rounds, messages, segments, the instrument's own faults, and the model's bytes."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from analysis.formats import count, duration, listed, percent
from analysis.invalid import NOT_CLASSIFIED, next_step, reasons_of
from analysis.measured import Measured
from analysis.messages import ACROSS_HOSTS
from analysis.model import MessageTimes, MissingHook, TrialTimes
from analysis.samples import by_interface, interface_of, is_usable
from analysis.verdicts import Verdict
from instrument.flower.names import PLACES, SUPPORTED
from instrument.phases import PHASES

RESIDUAL_SHARE = 0.01
INCOMPLETE_SHARE = 0.2
COLLECTOR_SHARE = 0.02  # of one core


def nothing_measured(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Without one complete round there is no number at all."""
    if not measured.rounds:
        messages = sum(len(trial.messages) for trial in trials)
        yield Verdict(
            severity="unfit",
            rule="nothing_measured",
            finding=f"no complete round in {count(len(trials), 'trial')} ({count(messages, 'message')}).",
            next_step="Look at the trials' logs for the first error, then run again with the probes on.",
        )


def invalid_trials(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A trial that failed its conditions is kept out; an interface without any other has no numbers."""
    left = set(by_interface(trials))
    for trial in trials:
        if trial.facts.outcome != "ok" and not trial.facts.warmup:
            by_fault = bool(trial.facts.settings.get("ended_by_fault"))
            lost = interface_of(trial) not in left and not by_fault
            yield Verdict(
                severity="unfit" if lost else "warn",
                rule="invalid_trials",
                finding=f"trial {trial.facts.name} is {trial.facts.outcome}{_classified(trial)}: "
                f"{trial.facts.reason or 'no reason'}; "
                + (f"nothing is left for {interface_of(trial)}." if lost else "it is kept out of every number."),
                next_step="That is this fault's result: see the table of faults. It is not repeated."
                if by_fault
                else next_step(trial),
            )


def _classified(trial: TrialTimes) -> str:
    names = list(dict.fromkeys(reason for reason, _ in reasons_of(trial) if reason != NOT_CLASSIFIED))
    return f" ({listed(names)})" if names and trial.facts.reasons else ""


def failed_checks(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A check on a trial's conditions that did not hold: bytes on another interface, a peer of another network."""
    for trial in trials:
        for check in trial.facts.checks:
            if check.get("ok") is False and is_usable(trial):
                name, detail = (
                    check.get("name", "unnamed"),
                    check.get("finding") or check.get("detail") or "no detail",
                )
                yield Verdict(
                    severity="unfit",
                    rule="failed_checks",
                    finding=f"trial {trial.facts.name}: check '{name}' failed: {detail}.",
                    next_step="Do not compare this trial; repair what it names, and repeat the trial.",
                )


def residual(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """The breakdown has to close: what no phase explains is at most 1 % of a round."""
    for interface, rounds in measured.rounds.items():
        if rounds.residual_share > RESIDUAL_SHARE:
            yield Verdict(
                severity="unfit",
                rule="residual",
                finding=f"{interface}: up to {percent(rounds.residual_share)} of a round is explained by no phase "
                f"(allowed: {percent(RESIDUAL_SHARE)}).",
                next_step="See the faults and missing phases below: a hook lost its target, or a process wrote no "
                "spool. Install the Flower version that the docs name, and repeat.",
            )


def incomplete_rounds(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Rounds in which a client failed are reported and kept out of comparisons; what a fault cost is its result."""
    for interface, placed in by_interface(trials).items():
        rounds = [made for _, trial in placed for made in trial.rounds]
        broken = [made.round for made in rounds if not made.complete]
        if broken:
            by_faults = all(_cost_by_faults(trial) for _, trial in placed)
            share = len(broken) / len(rounds)
            yield Verdict(
                severity="unfit" if share > INCOMPLETE_SHARE and not by_faults else "warn",
                rule="incomplete_rounds",
                finding=f"{interface}: {len(broken)} of {count(len(rounds), 'round')} incomplete (first: round "
                f"{broken[0]}) and left out.",
                next_step="The faults that were asked for cost them: see their table."
                if by_faults
                else "Find the missing client in the trial's logs; repeat the trial if rounds were lost.",
            )


def _cost_by_faults(trial: TrialTimes) -> bool:
    """Whether faults explain every round of a trial that is not complete."""
    lost = {number for effect in trial.effects for number in effect.lost}
    return all(made.complete or made.round in lost for made in trial.rounds)


def lost_messages(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Messages that did not end well, by how they ended."""
    outcomes = Counter(_ended(message) for trial in trials for message in trial.messages if message.outcome != "ok")
    if outcomes:
        total = sum(len(trial.messages) for trial in trials)
        parts = listed([f"{number} {name}" for name, number in sorted(outcomes.items())])
        yield Verdict(
            severity="warn",
            rule="lost_messages",
            finding=f"{sum(outcomes.values())} of {count(total, 'message')} did not end well: {parts}.",
            next_step="Their times are left out, which flatters a lossy network: give the losses beside the times.",
        )


def _ended(message: MessageTimes) -> str:
    known = message.error_code is None or message.outcome.startswith("error:")
    return message.outcome if known else f"{message.outcome} (error:{message.error_code})"


def missing_phases(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Phases that could not be built for a message that ended well; what an unknown clock costs is told with it."""
    missing = Counter(
        phase
        for trial in trials
        if is_usable(trial)
        for message in trial.messages
        if message.outcome == "ok"
        for phase in message.missing
        if not (phase in ACROSS_HOSTS and _has_unknown_clock(trial, message))
    )
    if missing:
        parts = listed([f"{phase} ({number})" for phase, number in missing.most_common()])
        yield Verdict(
            severity="warn",
            rule="missing_phases",
            finding=f"phases missing from good messages: {parts}.",
            next_step="Their means come from fewer messages than n of the others; check that every process ran under "
            "'fedprobe instrument'.",
        )


def _has_unknown_clock(trial: TrialTimes, message: MessageTimes) -> bool:
    return any(math.isinf(clock.error_s) and clock.host == message.node.partition("/")[0] for clock in trial.clocks)


def missing_hooks(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Hooks that did not take hold, by the role of the process that went on without them."""
    by_role: dict[str, list[MissingHook]] = defaultdict(list)
    for trial in trials:
        for hook in trial.missing_hooks:
            by_role[hook.role].append(hook)
    for role, hooks in by_role.items():
        names = [f"{name} ({reason[:120]})" for name, reason in {hook.name: hook.reason for hook in hooks}.items()]
        lost = {phase for hook in hooks for phase in PLACES[role][hook.name].phases}
        phases = [phase for phase in PHASES if phase in lost]
        processes = Counter[str]()
        for hook in hooks:
            processes[hook.name] += hook.processes
        yield Verdict(
            severity="warn",
            rule="missing_hooks",
            finding=f"{role} on {listed(sorted({hook.host for hook in hooks}), most=3)}: no hook in {listed(names)}, "
            f"in {max(processes.values())} of its processes. "
            + (f"Not measured: {listed(phases, most=len(PHASES))}." if phases else "No phase is lost by that."),
            next_step=f"Install a Flower from {SUPPORTED[0]} on that is older than {SUPPORTED[1]}; where it is one, "
            "report this with the trial's faults.",
        )


def lost_records(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Records that a probe dropped, and segments that a killed process left without their trailer.

    Those of an invalid trial are told with it, and are in no number.
    """
    dropped = sum(trial.dropped_records for trial in trials if is_usable(trial))
    if dropped:
        yield Verdict(
            severity="unfit",
            rule="dropped_records",
            finding=f"probes dropped {count(dropped, 'record')} because a buffer was full.",
            next_step="Give the spool a faster disk, or tmpfs by choice, and repeat.",
        )
    cut = [name for trial in trials if is_usable(trial) for name in trial.cut_segments]
    if cut:
        yield Verdict(
            severity="warn",
            rule="cut_segments",
            finding=f"{count(len(cut), 'segment')} without a trailer ({listed(cut, most=2)}): a process was killed.",
            next_step="What precedes the cut is whole; give processes the time to end (SIGTERM, then 2 s).",
        )


def faults(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """What the instrument itself could not do, by its own account."""
    found = Counter(fault for trial in trials for fault in trial.faults)
    if found:
        first, times = found.most_common(1)[0]
        yield Verdict(
            severity="warn",
            rule="faults",
            finding=f"the instrument reports {count(sum(found.values()), 'fault')}; most often ({times}): {first}.",
            next_step="Phases near it may be missing: compare the Flower version with the one that the docs name.",
        )


def model_bytes(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """The network must not change what is learned: the global model of a round is the same on every interface."""
    first = first_difference(trials)
    if first is not None:
        interfaces = listed(sorted({interface_of(trial) for trial in trials if is_usable(trial) and trial.models}))
        yield Verdict(
            severity="warn",
            rule="model_bytes",
            finding=f"the global model differs between trials from round {first} on ({interfaces}).",
            next_step="Fix the seeds and the order of aggregation, one numeric thread: else training time and "
            "accuracy differ for reasons that are not the network.",
        )


def first_difference(trials: Sequence[TrialTimes]) -> int | None:
    """The first round whose global model is not the same in all usable trials; None where none differs."""
    digests: dict[int, set[str]] = defaultdict(set)
    for trial in trials:
        if is_usable(trial):
            for number, digest in trial.models.items():
                digests[number].add(digest)
    return min((number for number, of in digests.items() if len(of) > 1), default=None)


def collector_cost(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """What the collectors' processes took of a core of the hosts that they watched, on the average of the hosts.

    Their processor time counts from their start to their end, so it is at most that share of the rounds. The time a
    reading took says less: on a busy host it is spent in waiting for the processor.
    """
    for trial in trials:
        hosts, cpu_s = len(trial.collector_cpu_s), sum(trial.collector_cpu_s.values())
        wall_s = hosts * sum(made.wall_s for made in trial.rounds)
        if is_usable(trial) and wall_s and cpu_s / wall_s > COLLECTOR_SHARE:
            slowest = max(trial.collector_cost_s, key=lambda name: trial.collector_cost_s[name], default="")
            yield Verdict(
                severity="warn",
                rule="collector_cost",
                finding=f"trial {trial.facts.name}: collectors used {duration(cpu_s)} of processor time on "
                f"{count(hosts, 'host')}, at most {percent(cpu_s / wall_s)} of a core during its rounds "
                f"(allowed: {percent(COLLECTOR_SHARE)}).",
                next_step="Raise interval_ms in the campaign file, or take a collector off its list"
                + (f" ({slowest} read longest)." if slowest else "."),
            )


RULES = (
    nothing_measured,
    failed_checks,
    invalid_trials,
    residual,
    incomplete_rounds,
    lost_records,
    lost_messages,
    missing_phases,
    missing_hooks,
    faults,
    model_bytes,
    collector_cost,
)
