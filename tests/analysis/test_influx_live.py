"""Points of a running trial: all of them are points of the export afterwards, and what is in doubt is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_runs import made_records, write_manifest, write_trial
from replayed import not_among, server_segments

from analysis.influx.line_protocol import line
from analysis.influx.live_points import LivePoints
from analysis.influx.points import points_of
from instrument.records import Dispatch, End, Record, Score, Segment, Span

NAME = "000-wifi-fast-r1"


def _dispatch(message: str, number: int, kind: str) -> Dispatch:
    return Dispatch(
        message_id=message,
        mono_ns=number,
        round=number,
        round_source="strategy",
        message_type=kind,
        node_id="1",
        run_id="1",
    )


def written(run: Path, seed: int = 1) -> list[list[Record]]:
    """A stored trial; returns what its server's processes wrote, the SuperLink first."""
    write_manifest(run)
    records = made_records(seed=seed)
    write_trial(run, NAME, records, settings={"warmup_rounds": 1})
    return server_segments(records)


@pytest.mark.parametrize("at_once", [1, 7, 10_000])
def test_they_are_those_of_the_export(tmp_path: Path, at_once: int) -> None:
    """However many records come at once: same keys and values, all samples of the server, rounds that were whole."""
    segments, found = written(tmp_path), list[str]()
    live = LivePoints(tmp_path, NAME)
    for records in segments:
        for start in range(0, len(records), at_once):
            found += live.lines(records[start : start + at_once])
    exported = [line(point) for point in points_of(tmp_path)]
    assert not_among(found, exported) == []
    assert len(set(found)) == len(found)
    of_server = [one for one in exported if ",node=server," in one and one.startswith(("system", "process", "link"))]
    assert set(of_server) <= set(found)
    assert [one.partition(",")[0] for one in found].count("fl_round") == 2


def test_a_round_is_told_when_the_next_begins(tmp_path: Path) -> None:
    """With what is known then; the last one when the ServerApp ends."""
    links, *_ = written(tmp_path)
    live = LivePoints(tmp_path, NAME)
    live.lines(links)
    assert live.lines([_header(), *_round(1)]) == []
    (first,) = live.lines(_round(2))
    assert ' duration_s=3.0,round=1i,rep=1i,trial="' in first
    (second,) = live.lines([End(records=1, sha256="", mono_ns=9)])
    assert "round=2i" in second


@pytest.mark.parametrize(
    "records",
    [
        [],
        [Span(name="aggregate", start_mono_ns=5, end_mono_ns=6, round=1, message_type="train", count=1)],
        [_dispatch("m2", 1, "evaluate")],
    ],
    ids=["nothing else", "aggregated twice", "a part that was never aggregated"],
)
def test_a_round_in_doubt_is_left_out(tmp_path: Path, records: Sequence[Record]) -> None:
    """The export may see another begin or end."""
    links, *_ = written(tmp_path)
    live = LivePoints(tmp_path, NAME)
    live.lines(links)
    live.lines([_header(), *_round(1), *records])
    assert len(live.lines(_round(2))) == (not records)


@pytest.mark.parametrize(
    ("scores", "fields"),
    [
        ({"server": {"accuracy": 0.5, "loss": 2.0}, "train": {"loss": 9.0}}, 'accuracy=0.5,loss=2.0,score_source="s'),
        ({"evaluate": {"accuracy": 0.5}}, 'accuracy=0.5,score_source="evaluate"'),
        ({"train": {"train-loss": 1.0}}, ""),
        ({"server": {"my_acc": 0.5}, "evaluate": {"accuracy": 0.25}}, ""),
        ({"server": {"accuracy": float("nan"), "loss": 2.0}}, 'loss=2.0,score_source="server"'),
    ],
)
def test_scores_have_names_without_doubt(tmp_path: Path, scores: dict[str, dict[str, float]], fields: str) -> None:
    """A later round may bring a name that the export then prefers: what it would not write again is not written."""
    links, *_ = written(tmp_path)
    live = LivePoints(tmp_path, NAME)
    live.lines(links)
    said = [Score(round=1, mono_ns=3, source=by, metrics=metrics) for by, metrics in scores.items()]
    live.lines([_header(), *_round(1), *said])
    (told,) = live.lines(_round(2))
    if fields:
        assert fields in told
    else:
        assert "accuracy=" not in told
        assert "loss=" not in told


def test_two_of_a_process_end_it(tmp_path: Path) -> None:
    """Which of two headers the export takes is not known; a process of another clock is not the server's."""
    links, *others = written(tmp_path)
    twice, elsewhere = LivePoints(tmp_path, NAME), LivePoints(tmp_path, NAME)
    twice.lines([*links, links[0]])
    elsewhere.lines(links)
    for header, *records in others:
        assert isinstance(header, Segment)
        assert twice.lines([header, *records]) == []
        assert elsewhere.lines([replace(header, clock="monotonic/other/1"), *records]) == []


def _header() -> Segment:
    return Segment(
        schema_version=2,
        host="server",
        role="flwr-serverapp",
        pid=314,
        clock="monotonic/server/1",
        mono_ns=0,
        wall_ns=0,
        exec_mono_ns=0,
    )


def _round(number: int) -> list[Record]:
    at = number * 4_000_000_000
    return [
        Span(name="configure", start_mono_ns=at, end_mono_ns=at + 1, round=number, message_type="train", count=1),
        _dispatch(f"m{number}", number, "train"),
        Span(
            name="aggregate",
            start_mono_ns=at + 5,
            end_mono_ns=at + 3_000_000_000,
            round=number,
            message_type="train",
            count=1,
        ),
    ]
