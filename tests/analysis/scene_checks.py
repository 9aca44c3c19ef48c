"""What every analysis of a made-up scene must satisfy."""

from __future__ import annotations

from itertools import pairwise

from synthetic import Scene

from analysis.model import MessageTimes, TrialFacts, TrialTimes
from analysis.trial import analyse

FACTS = TrialFacts(name="000-made-up", interface="ethernet")
ALL_KINDS = ("train", "evaluate", "evaluate.validation")


def analysed(scene: Scene) -> TrialTimes:
    return analyse(scene.records(), FACTS)


def by_id(trial: TrialTimes) -> dict[str, MessageTimes]:
    return {message.message_id: message for message in trial.messages}


def assert_true(trial: TrialTimes, scene: Scene, within_ns: int) -> None:
    messages = by_id(trial)
    assert messages.keys() == scene.truth.keys()
    for message_id, phases in scene.truth.items():
        found = messages[message_id].intervals
        assert found.keys() == phases.keys(), message_id
        for name, (start, end) in phases.items():
            assert abs(found[name].start_ns - min(start, end)) <= within_ns, (message_id, name)
            assert abs(found[name].end_ns - end) <= within_ns, (message_id, name)


def assert_closes(trial: TrialTimes, scene: Scene) -> None:
    for made in trial.rounds:
        start, end = scene.round_truth[made.round]
        assert (made.interval.start_ns, made.interval.end_ns) == (start, end)
        edges = [(charge.interval.start_ns, charge.interval.end_ns) for charge in made.charges]
        assert edges[0][0] == start
        assert edges[-1][1] == end
        assert all(one[1] == other[0] for one, other in pairwise(edges))
        assert made.residual_share <= 0.01
