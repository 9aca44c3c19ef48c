"""Which values enter a comparison, and from which trial, round and node each came.

Only whole trials that are no warm-up, complete rounds, and messages and transfers that ended well are compared;
the others are counted elsewhere. Phases of train messages keep their names; those of evaluate messages other than
`test`, `validate` and the server's are named `evaluate_<phase>`, since t_d and t_u are the train message's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from analysis.estimators import BETWEEN_TRIALS, WITHIN_RUN, Estimate, estimate
from analysis.model import MessageTimes, Transfer, TrialTimes
from instrument.phases import PHASES

INTERFACES = ("ethernet", "wifi", "5g")
PAIRS = (("5g", "ethernet"), ("5g", "wifi"), ("wifi", "ethernet"))
UNDER = " under "  # between a network and the fault that its trials ran under
UNNAMED = "loopback"
DIRECTIONS = ("uplink", "downlink")
# what a round does once, however many messages it has
ONCE_A_ROUND = ("configure", "publish", "aggregate")
_OF_THE_APP = ("train", "test", "validate")


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of one quantity; `trial` is the place of the trial among those that were given."""

    trial: int
    round: int
    node: str
    value: float


def interface_of(trial: TrialTimes) -> str:
    """The network of a trial, with the fault that it ran under: trials under a fault are compared with none without.

    A spool that no runner wrote names no network, and is called loopback.
    """
    network, fault = trial.facts.interface or UNNAMED, trial.facts.settings.get("fault")
    return f"{network}{UNDER}{fault}" if isinstance(fault, str) else network


def is_usable(trial: TrialTimes) -> bool:
    """Whether a trial's numbers are compared: it is whole, and no warm-up."""
    return trial.facts.outcome == "ok" and not trial.facts.warmup


def by_interface(trials: Sequence[TrialTimes]) -> dict[str, list[tuple[int, TrialTimes]]]:
    """The usable trials of each interface with their places, in the order ethernet, wifi, 5g, then by name."""
    found: dict[str, list[tuple[int, TrialTimes]]] = defaultdict(list)
    for place, trial in enumerate(trials):
        if is_usable(trial):
            found[interface_of(trial)].append((place, trial))
    return {name: found[name] for name in sorted(found, key=interface_order)}


def interface_order(name: str) -> tuple[int, str]:
    """Sorting key of interfaces: slower media later, unknown ones last."""
    network = name.partition(UNDER)[0]
    return (INTERFACES.index(network) if network in INTERFACES else len(INTERFACES), name)


def complete_rounds(trial: TrialTimes) -> set[int]:
    """The rounds that every client finished."""
    return {made.round for made in trial.rounds if made.complete}


def good_messages(trial: TrialTimes) -> list[MessageTimes]:
    """The messages that are compared."""
    rounds = complete_rounds(trial)
    return [message for message in trial.messages if message.round in rounds and message.outcome == "ok"]


def good_transfers(trial: TrialTimes) -> list[tuple[MessageTimes, Transfer]]:
    """The transfers of train messages that are compared, with their messages."""
    return [
        (message, transfer)
        for message in good_messages(trial)
        if message.function == "train"
        for transfer in (message.downlink, message.uplink)
        if transfer is not None and transfer.outcome == "ok"
    ]


def actives(trials: Sequence[TrialTimes], direction: str) -> dict[str, list[float]]:
    """The active times that a figure of one direction shows, by interface; those without any are absent."""
    found = {
        name: [
            transfer.active_s
            for _, trial in placed
            for _, transfer in good_transfers(trial)
            if transfer.direction == direction and transfer.active_s > 0
        ]
        for name, placed in by_interface(trials).items()
    }
    return {name: values for name, values in found.items() if values}


def phase_readings(trial: TrialTimes, *, place: int = 0) -> dict[str, list[Reading]]:
    """Every phase's values in seconds, raw (overlaps not removed), in the order of a message's way."""
    found: dict[str, list[Reading]] = defaultdict(list)
    once: set[tuple[str, int, int]] = set()
    for message in good_messages(trial):
        for phase, seconds, mark in _message_phases(message):
            if mark is not None:
                if (phase, *mark) in once:
                    continue
                once.add((phase, *mark))
            found[phase].append(Reading(place, message.round, message.node, seconds))
    for number, seconds in enumerate(trial.evaluate_server_s, start=1):
        found["evaluate_server"].append(Reading(place, number, "", seconds))
    return {phase: found[phase] for phase in sorted(found, key=phase_order)}


def wait_readings(trial: TrialTimes) -> dict[str, list[tuple[float, float]]]:
    """Seconds that a phase waited for a core, and its seconds in all, wherever the first is known."""
    found: dict[str, dict[tuple[str, int, int], tuple[float, float]]] = defaultdict(dict)
    for message in good_messages(trial):
        for phase, waited_s in message.waited_for_core_s.items():
            interval = message.intervals[phase]
            name = phase_name(phase, message)
            whose = "" if phase in ONCE_A_ROUND else message.message_id
            found[name][whose, interval.start_ns, interval.end_ns] = (waited_s, interval.seconds)
    return {phase: list(found[phase].values()) for phase in sorted(found, key=phase_order)}


def transfer_readings(transfer: Transfer) -> dict[str, float]:
    """A transfer's own three numbers under the names of its direction."""
    return {
        transfer.direction: transfer.whole_s,
        f"{transfer.direction}_active": transfer.active_s,
        f"{transfer.direction}_stall": transfer.stall_s,
    }


def estimate_readings(readings: Iterable[Reading]) -> Estimate:
    """Between trials where the readings come from two or more, else between the rounds of the only one."""
    groups: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for reading in readings:
        groups[reading.trial][reading.round].append(reading.value)
    if len(groups) > 1:
        return estimate([_flat(rounds) for rounds in groups.values()], kind=BETWEEN_TRIALS)
    return estimate([values for rounds in groups.values() for values in rounds.values()], kind=WITHIN_RUN)


def node_times(trial: TrialTimes) -> list[Reading]:
    """The paper's measured round of each node: downlink + train + test + validate + uplink, in seconds."""
    found: dict[tuple[int, str], float] = defaultdict(float)
    for message in good_messages(trial):
        parts = [message.seconds(phase) or 0.0 for phase in _OF_THE_APP]
        if message.function == "train":
            parts += [side.whole_s for side in (message.downlink, message.uplink) if side is not None]
        found[message.round, message.node] += sum(parts)
    return [Reading(0, number, node, seconds) for (number, node), seconds in sorted(found.items())]


def natural(name: str) -> list[tuple[int, str]]:
    """Sorting key of host names: pi2 before pi10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name) if part]


def phase_order(name: str) -> tuple[int, int, str]:
    """Sorting key of phase names: the message's way, active and stall after their whole, evaluate's own last."""
    evaluate = name.startswith("evaluate_") and name != "evaluate_server"
    plain = name.removeprefix("evaluate_") if evaluate else name
    whole = plain.removesuffix("_active").removesuffix("_stall")
    place = list(PHASES).index(whole) if whole in PHASES else len(PHASES)
    return (int(evaluate), place, plain)


def _message_phases(message: MessageTimes) -> Iterable[tuple[str, float, tuple[int, int] | None]]:
    """Phase, seconds, and what tells the same interval of two messages apart (None: it is this message's own)."""
    train = message.function == "train"
    for phase, interval in message.intervals.items():
        if phase in {"uplink", "downlink"}:
            continue
        name = phase_name(phase, message)
        mark = (interval.start_ns, interval.end_ns) if phase in ONCE_A_ROUND else None
        yield name, interval.seconds, mark
    for transfer in (message.downlink, message.uplink):
        if transfer is not None and transfer.outcome == "ok":
            for name, seconds in transfer_readings(transfer).items():
                yield name if train else f"evaluate_{name}", seconds, None


def phase_name(phase: str, message: MessageTimes) -> str:
    """What a phase of a message is called where trains and evaluates stand side by side."""
    return phase if message.function == "train" or phase in _OF_THE_APP else f"evaluate_{phase}"


def _flat(rounds: Mapping[int, Sequence[float]]) -> list[float]:
    return [value for values in rounds.values() for value in values]
