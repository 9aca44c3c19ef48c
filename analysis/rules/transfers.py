"""Are uplink and downlink what they claim? Against physics, against each other, and against the clocks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from analysis.formats import count, duration, factor, listed, percent
from analysis.measured import Measured
from analysis.messages import ACROSS_HOSTS
from analysis.model import ClockFit, Transfer, TrialTimes
from analysis.rows import definition_words
from analysis.rules.starvation import starved_transfers
from analysis.samples import DIRECTIONS, by_interface, good_transfers, natural
from analysis.verdicts import Verdict

POSSIBLE_OVER_BOUND = 0.95
FEW = 0.05
DISAGREEMENT_SHARE, DISAGREEMENT_S = 0.05, 0.015
CLOCK_SHARE = 0.1
STALL_SHARE = 0.5
CPU_LIMITED = 1.6
LATE_S, VERY_LATE_S = 0.002, 0.010
DEFINITION_RANGE = 2


def faster_than_physics(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A transfer beats the link, or a run's mean beats its bounds: mapped wrong, or not shaped as declared.

    One transfer is held against the link to itself (`alone_bound_s`): among several, TCP may give it more than the
    equal share that its fluid bound assumes. Over a run that evens out, so the mean is held against the fluid bounds.
    """
    for interface, placed in by_interface(trials).items():
        for direction in DIRECTIONS:
            found = [
                transfer
                for _, trial in placed
                for _, transfer in good_transfers(trial)
                if transfer.direction == direction
            ]
            alone = [transfer.active_s / transfer.alone_bound_s for transfer in found if transfer.alone_bound_s]
            impossible = [value for value in alone if value < POSSIBLE_OVER_BOUND]
            spread = measured.over_bound.get(interface, {}).get(direction)
            too_fast = spread is not None and spread.mean < POSSIBLE_OVER_BOUND
            parts = []
            if impossible:
                parts.append(
                    f"{len(impossible)} of {count(len(alone), 'transfer')} faster than the link to itself allows "
                    f"(least: {factor(min(impossible))} of that time)"
                )
            if spread is not None and too_fast:
                parts.append(f"the mean transfer takes {factor(spread.mean)} of its bound by fair sharing")
            if parts:
                yield Verdict(
                    severity="unfit" if too_fast or len(impossible) > FEW * len(alone) else "warn",
                    rule="faster_than_physics",
                    finding=f"{interface} {direction}: {'; '.join(parts)}.",
                    next_step="Compare the declared rates with the link (iperf3); look at the clock errors.",
                )


def estimators_disagree(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Two-ended and one-host differ by more than their bounds allow, and by more than 5 % and 15 ms.

    Active is held against active, whole against whole. Both read the same stamps: this finds a wrong clock offset,
    not a stamp that is far from its packet.
    """
    for interface, placed in by_interface(trials).items():
        pairs = [transfer for _, trial in placed for _, transfer in good_transfers(trial) if differences(transfer)]
        far = [(transfer, worst) for transfer in pairs if (worst := _disagreement(transfer)) is not None]
        if not far:
            continue
        transfer, (what, difference_s, length_s) = max(far, key=lambda item: abs(item[1][1]))
        yield Verdict(
            severity="unfit" if len(far) > FEW * len(pairs) else "warn",
            rule="estimators_disagree",
            finding=f"{interface}: two-ended and one-host times differ beyond their bounds in {len(far)} of "
            f"{count(len(pairs), 'transfer')} (most: {transfer.direction}, {what}, {duration(abs(difference_s))} of "
            f"{duration(length_s)}).",
            next_step="Check the clock exchanges of that host (table of clocks) and repeat the trial.",
        )


def clock_error(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A clock error as large as the time it stands beside leaves nothing to believe."""
    for interface, placed in by_interface(trials).items():
        effects = [
            measured.phases[interface][name].mean
            for name in ("uplink_active", "downlink_active")
            if name in measured.phases[interface]
        ]
        clocks = [clock for _, trial in placed for clock in _judged_clocks(trial)]
        yield from _unknown_clocks(interface, clocks)
        errors = [(clock.error_s, clock.host) for clock in clocks if math.isfinite(clock.error_s)]
        if not effects or not errors:
            continue
        error_s, host = max(errors)
        if error_s <= CLOCK_SHARE * min(effects):
            continue
        yield Verdict(
            severity="unfit" if error_s > min(effects) else "warn",
            rule="clock_error",
            finding=f"{interface}: the clock of {host} is known to ±{duration(error_s)}, the mean transfer takes "
            f"{duration(min(effects))}.",
            next_step="Exchange over a management interface between rounds, or compare the one-host times only.",
        )


def _judged_clocks(trial: TrialTimes) -> list[ClockFit]:
    """The clocks of a trial, but those that are unknown since the file with their exchanges cannot be read."""
    without = {host for host, _, _ in trial.unreadable}
    return [clock for clock in trial.clocks if clock.host not in without or math.isfinite(clock.error_s)]


def _unknown_clocks(interface: str, clocks: Sequence[ClockFit]) -> Iterator[Verdict]:
    """Hosts without a single exchange: theirs are one-host times; without any other host nothing is left to trust."""
    unknown = sorted({clock.host for clock in clocks if math.isinf(clock.error_s)}, key=natural)
    if unknown:
        tied = any(math.isfinite(clock.error_s) and clock.source != "same clock" for clock in clocks)
        yield Verdict(
            severity="warn" if tied else "unfit",
            rule="clock_error",
            finding=f"{interface}: no clock exchange maps {listed(unknown)} onto the server's clock: transfers there "
            f"are by one host's clock, {', '.join(ACROSS_HOSTS)} have no place on the axis, and rounds that waited "
            "for it no shares.",
            next_step="Let UDP through to the clock server on the management network, and repeat the trial.",
        )


def stall(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Where most of t_u is not transfer, the whole says more about Flower's object store than about a network."""
    for interface, phases in measured.phases.items():
        if "uplink" not in phases or not phases["uplink"].mean:
            continue
        share = phases["uplink_stall"].mean / phases["uplink"].mean
        if share > STALL_SHARE:
            objects = max(
                transfer.objects
                for _, trial in by_interface(trials)[interface]
                for _, transfer in good_transfers(trial)
                if transfer.direction == "uplink"
            )
            yield Verdict(
                severity="info",
                rule="stall",
                finding=f"{interface}: {percent(share)} of t_u passes between objects ({objects} a message), not on "
                "the network.",
                next_step="Compare networks by active time; send the model as one array to shorten the rest.",
            )


def cpu_limited(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """A network faster than the hosts: its time is the processor's, and so is every ratio to it."""
    spread = measured.over_bound.get("ethernet", {}).get("uplink")
    slow = spread is not None and spread.mean > CPU_LIMITED
    starved = starved_transfers(measured, "ethernet")
    if slow or starved:
        parts = [f"ethernet uplinks take {factor(spread.mean)} times their bound"] if slow and spread else []
        if starved:
            shares = [f"{side} about {percent(measured.starvation['ethernet'][side].share)}" for side in starved]
            parts.append(f"ethernet transfers waited for a core ({' and '.join(shares)} of their time)")
        cores = next((trial.facts.settings.get("cpus") for trial in trials if "cpus" in trial.facts.settings), None)
        where = f"on {count(cores, 'core')}, " if isinstance(cores, int) else ""
        yield Verdict(
            severity="info",
            rule="cpu_limited",
            finding=f"{' and '.join(parts)}: {where}Ethernet figures are CPU figures, and so are the ratios to them.",
            next_step="Take 5g/wifi and each network over its own bound as statements about networks; measure "
            "ethernet on separate hosts.",
        )


def no_bound(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Without the link's rates there is nothing physical to hold the times against."""
    without = [name for name in measured.rounds if name not in measured.over_bound]
    if without:
        yield Verdict(
            severity="info",
            rule="no_bound",
            finding=f"no physical bound for {', '.join(without)}: the rates of the link are unknown.",
            next_step="Declare the rates in the campaign's profile, or measure them with iperf3 first.",
        )


def late_delay(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """The emulator's delay element publishes how late it released packets; beyond 2 ms the delay is unverified.

    Beyond 10 ms it is as large as the delays that are emulated, and the network is not the declared one.
    """
    for interface, placed in by_interface(trials).items():
        lateness = {trial.facts.name: _lateness_s(trial) for _, trial in placed}
        late = {name: value for name, value in lateness.items() if value is not None and value > LATE_S}
        if late:
            worst_s = max(late.values())
            yield Verdict(
                severity="unfit" if worst_s > VERY_LATE_S else "warn",
                rule="late_delay",
                finding=f"{interface}: delay unverified in {len(late)} of {count(len(placed), 'trial')} "
                f"({listed(sorted(late))}): 99 % of packets were released within {duration(worst_s)} "
                f"of their time (allowed: {duration(LATE_S)}).",
                next_step="Give the delay element SCHED_FIFO (root), fewer nodes, or more cores.",
            )


def unasked_losses(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """Where the kernel's queue to the delay element ran over, packets were lost that the profile does not lose."""
    for interface, placed in by_interface(trials).items():
        over = {trial.facts.name: found for _, trial in placed if (found := trial.facts.emulator.get("overruns"))}
        if over:
            yield Verdict(
                severity="warn",
                rule="unasked_losses",
                finding=f"{interface}: loss unverified in {len(over)} of {count(len(placed), 'trial')} "
                f"({listed(sorted(over))}): the queue to the delay element ran over.",
                next_step="Use fewer nodes or lower rates, or a kernel that has netem, and repeat the trial.",
            )


def _is_uplink(name: str) -> bool:
    return name.startswith("uplink") and name != "uplink_bound"


def _words(definition: str) -> str:
    return definition_words(definition).partition(": ")[2]


def _lateness_s(trial: TrialTimes) -> float | None:
    value = trial.facts.emulator.get("delay_late_p99_s")
    return float(value) if isinstance(value, int | float) else None


def differences(transfer: Transfer) -> list[tuple[str, float, float, float]]:
    """Two-ended less one-host: (active or whole, difference, what both bounds allow, two-ended), in seconds.

    Empty where one of the estimates was not measured.
    """
    pairs = (
        ("active", transfer.two_ended_s, transfer.one_host_s, transfer.one_host_error_s),
        ("whole", transfer.whole_s, transfer.one_host_whole_s, transfer.one_host_whole_error_s),
    )
    return [
        (what, two_ended_s - one_host_s, transfer.two_ended_error_s + (error_s or 0.0), two_ended_s)
        for what, two_ended_s, one_host_s, error_s in pairs
        if two_ended_s is not None and one_host_s is not None
    ]


def _disagreement(transfer: Transfer) -> tuple[str, float, float] | None:
    """The larger disagreement of a transfer: active or whole, the difference and the length, in seconds."""
    far = [
        (what, difference_s, length_s)
        for what, difference_s, allowed_s, length_s in differences(transfer)
        if abs(difference_s) > max(allowed_s, DISAGREEMENT_SHARE * length_s, DISAGREEMENT_S)
    ]
    return max(far, key=lambda item: abs(item[1]), default=None)


def definition_range(trials: Sequence[TrialTimes], measured: Measured) -> Iterator[Verdict]:
    """How far the same run's ratio moves by definition alone: of the pair that moves most."""
    by_pair = {
        pair: {name: ratio.ratio for name, ratio in by_name.items() if _is_uplink(name)}
        for pair, by_name in measured.definition_ratios.items()
    }
    ranges = {pair: max(found.values()) / min(found.values()) for pair, found in by_pair.items() if found}
    for pair, width in ranges.items():
        found = by_pair[pair]
        if width > DEFINITION_RANGE and width == max(ranges.values()):
            low, high = min(found, key=lambda name: found[name]), max(found, key=lambda name: found[name])
            yield Verdict(
                severity="info",
                rule="definition_range",
                finding=f"uplink {pair} is {factor(found[low])} ({_words(low)}) to "
                f"{factor(found[high])} ({_words(high)}) by definition alone.",
                next_step="Name the definition with every ratio; this report's headline is active time.",
            )


RULES = (
    faster_than_physics,
    clock_error,
    estimators_disagree,
    late_delay,
    unasked_losses,
    cpu_limited,
    stall,
    definition_range,
    no_bound,
)
