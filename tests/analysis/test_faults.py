"""What a fault cost is found on the axis of the trial, whatever the clock of the host that it was applied on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from synthetic import Incident, Scene
from writers import MS, Host, Writer, hosts

from analysis.fault_tables import faults_table
from analysis.load import Records
from analysis.measured import measure
from analysis.model import FaultEffect, TrialFacts, TrialTimes
from analysis.rules import judge
from analysis.trial import analyse
from instrument.records import Applied


def fault(host: Host, *moments_ns: int, does: str = "kill clientapp", target: str = "") -> Writer:
    """The segment of a fault on a host: applied and, where there is a second moment, undone."""
    writer = Writer(host=host, role="fault", pid=9, born_ns=0)
    for phase, moment_ns in zip(("applied", "undone"), moments_ns, strict=False):
        writer.records.append(
            Applied(
                fault="crash",
                does=does,
                phase=phase,
                target=target or host.name,
                start_mono_ns=host.reads(moment_ns),
                end_mono_ns=host.reads(moment_ns + MS),
                since="run",
                since_s=moment_ns / 1e9,
                detail="it",
            )
        )
    return writer


def with_segments(records: Records, *writers: Writer) -> Records:
    return replace(records, segments=(*records.segments, *(writer.segment() for writer in writers)))


def analysed(records: Records) -> TrialTimes:
    return analyse(records, TrialFacts(name="t", interface="wifi"))


@pytest.fixture
def killed() -> tuple[Scene, Records]:
    """Three rounds; pi1's ClientApp is killed in the second, which Flower tells by code 8."""
    scene = Scene(nodes=hosts(2, shift_s=9), rounds=3, incidents=(Incident(node="pi1", kind="killed", round=2),))
    return scene, scene.records()


def one(trial: TrialTimes) -> FaultEffect:
    (effect,) = trial.effects
    return effect


def test_a_kill_is_placed_noticed_and_charged(killed: tuple[Scene, Records]) -> None:
    scene, records = killed
    (app,) = [app for app in scene.apps if app.killed]
    at_ns = app.born_ns + 300 * MS
    trial = analysed(with_segments(records, fault(scene.nodes[0], at_ns)))
    effect = one(trial)
    error_s = max(clock.error_s for clock in trial.clocks)
    zero_ns = scene.round_truth[1][0]
    assert effect.host == "pi1"
    assert effect.start_s == pytest.approx((at_ns - zero_ns) / 1e9, abs=error_s)
    assert effect.error_codes == [8]
    assert effect.wasted_s == pytest.approx((at_ns - app.born_ns + 3 * MS) / 1e9, abs=2 * error_s)
    assert effect.noticed_s is not None
    assert effect.lost == [effect.round] if effect.noticed_s > 0 else effect.lost == []


def test_an_error_before_the_fault_is_not_its_doing(killed: tuple[Scene, Records]) -> None:
    scene, records = killed
    effect = one(analysed(with_segments(records, fault(scene.nodes[0], scene.round_truth[3][1] - MS))))
    assert (effect.noticed_s, list(effect.error_codes), effect.wasted_s) == (None, [], 0.0)
    assert effect.round == 3


def test_the_last_fault_on_a_host_is_charged_and_no_other(killed: tuple[Scene, Records]) -> None:
    scene, records = killed
    begin_ns = scene.round_truth[2][0]
    first, second = fault(scene.nodes[0], scene.round_truth[1][0]), fault(scene.nodes[0], begin_ns, does="again")
    second.pid = 10
    elsewhere = fault(scene.nodes[1], begin_ns)
    effects = analysed(with_segments(records, first, second, elsewhere)).effects
    charged = {(effect.does, effect.host): list(effect.error_codes) for effect in effects}
    assert charged == {("kill clientapp", "pi1"): [], ("again", "pi1"): [8], ("kill clientapp", "pi2"): []}


def test_what_lasts_ends_with_its_undoing_and_delays_the_rounds_that_it_touches() -> None:
    scene = Scene(nodes=hosts(2, shift_s=9), rounds=3)
    records = scene.records()
    begin_ns, end_ns = scene.round_truth[2]
    lasting = fault(scene.nodes[0], begin_ns + MS, end_ns - 2 * MS, does="loss wifi", target="pi1, pi2")
    trial = analysed(with_segments(records, lasting))
    assert [effect.host for effect in trial.effects] == ["pi1", "pi2"]
    error_s = max(clock.error_s for clock in trial.clocks)
    walls = {made.round: made.wall_s for made in trial.rounds}
    for effect in trial.effects:
        assert effect.undone_s is not None
        assert effect.start_s is not None
        assert effect.undone_s - effect.start_s == pytest.approx((end_ns - begin_ns - 2 * MS) / 1e9, abs=error_s)
        assert effect.round == 2
        assert effect.delay_s == pytest.approx(walls[2] - (walls[1] + walls[3]) / 2)
        assert list(effect.lost) == []


def test_the_report_names_what_was_applied_and_warns_of_what_missed(killed: tuple[Scene, Records]) -> None:
    scene, records = killed
    missed = fault(scene.nodes[1], scene.round_truth[2][0])
    missed.records = [replace(record, phase="missed", detail="nobody ran") for record in missed.records]
    trial = analysed(with_segments(records, fault(scene.nodes[0], scene.round_truth[2][0]), missed))
    verdicts = [verdict for verdict in judge([trial], measure([trial])) if verdict.rule == "declared_faults"]
    assert [verdict.severity for verdict in verdicts] == ["warn", "info"]
    assert "was not applied to pi2: nobody ran" in verdicts[0].finding
    assert "kill clientapp on pi1" in verdicts[1].finding
    assert "by code 8" in verdicts[1].finding
    rows = faults_table([trial]).rows
    assert len(rows) == 2
    assert all(len(row.cells) == len(faults_table([trial]).head) for row in rows)


def test_rounds_that_a_fault_cost_are_its_result_and_no_flaw(killed: tuple[Scene, Records]) -> None:
    scene, records = killed
    (app,) = [app for app in scene.apps if app.killed]

    def severity(trial: TrialTimes) -> list[str]:
        return [one.severity for one in judge([trial], measure([trial])) if one.rule == "incomplete_rounds"]

    assert severity(analysed(records)) == ["unfit"]
    assert severity(analysed(with_segments(records, fault(scene.nodes[0], app.born_ns)))) == ["warn"]
    late = fault(scene.nodes[0], scene.round_truth[3][1] - MS)
    assert severity(analysed(with_segments(records, late))) == ["unfit"], "a later fault explains nothing"


def test_without_faults_nothing_is_said_of_them() -> None:
    trial = analysed(Scene(nodes=hosts(2)).records())
    assert list(trial.effects) == []
    assert not faults_table([trial]).rows
