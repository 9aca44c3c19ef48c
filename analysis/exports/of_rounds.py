"""Tables with rows of rounds: their lengths, what each instant was charged to, and what the model scored."""

from __future__ import annotations

from collections.abc import Iterator

from analysis.exports.exported import ExportedTrial
from analysis.exports.keys import KEYS, Of
from analysis.exports.table import Table, flag, moment, number, text, whole
from analysis.samples import is_usable

ROUNDS = Table(
    "rounds",
    "one row a round",
    (
        *KEYS,
        whole("round", "", "its number, from 1", lambda of: of.item.round),
        flag("complete", "whether every client finished it", lambda of: of.item.complete),
        flag(
            "compared",
            "whether it enters the report's numbers: complete, of a valid trial that is no warm-up",
            lambda of: of.item.complete and is_usable(of.trial.times),
        ),
        *moment("start", "first configure", lambda of: of.trial.wall_ns(of.item.interval.start_ns)),
        number("wall_s", "s", "first configure to last aggregate", lambda of: of.item.wall_s),
        number(
            "t_r_s", "s", "the paper's round: the slowest client's transfers and functions", lambda of: of.item.t_r_s
        ),
        number("residual_share", "1", "share of it that no phase explains", lambda of: of.item.residual_share),
        text("straggler", "whose reply came last", lambda of: of.item.straggler),
        text("critical_nodes", "whom it waited for, part by part", lambda of: " ".join(of.item.critical_nodes)),
        text("model_sha256", "the global model after it", lambda of: of.trial.times.models.get(of.item.round)),
    ),
    lambda trial: (Of(trial, made) for made in trial.times.rounds),
)

CHARGES = Table(
    "charges",
    "rounds cut into stretches, each charged to one phase along the critical path: they add up to wall_s",
    (
        *KEYS,
        whole("round", "", "the round", lambda of: of.item[0].round),
        text("phase", "the phase, or residual", lambda of: of.item[1].phase),
        text("node", "the client waited for", lambda of: of.item[1].node),
        *moment("start", "its start", lambda of: of.trial.wall_ns(of.item[1].interval.start_ns)),
        number("duration_s", "s", "its length", lambda of: of.item[1].interval.seconds),
    ),
    lambda trial: (Of(trial, (made, charge)) for made in trial.times.rounds for charge in made.charges),
)


def _scores(trial: ExportedTrial) -> Iterator[Of]:
    times = trial.times
    for (made, source, metrics), since_s in zip(times.scores, times.score_times_s, strict=False):
        for metric, value in metrics.items():
            yield Of(trial, (made, source, since_s, metric, value))


SCORES = Table(
    "scores",
    "one row a metric of a round, as the strategy recorded it",
    (
        *KEYS,
        whole("round", "", "the round; 0 is before the first", lambda of: of.item[0]),
        text("source", "server, train, or evaluate", lambda of: of.item[1]),
        number("since_start_s", "s", "when, from the first configure", lambda of: of.item[2]),
        text("metric", "its name in the app", lambda of: of.item[3]),
        number("value", "", "its value", lambda of: of.item[4]),
    ),
    _scores,
)
