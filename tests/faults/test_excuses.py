"""What a declared fault may cost without ending its trial, and nothing else."""

from __future__ import annotations

import pytest

from instrument.records import Reply
from testbed.faults.excuses import ABSENT, Happened, consequence, may_end, told, unexcused
from testbed.faults.tables import FaultStep
from testbed.validity import REASONS

KILL = FaultStep(kind="kill", process="supernode", target="pi2")


def reply(code: int) -> Reply:
    return Reply(
        message_id="", reply_to="m", mono_ns=1, message_type="train", node_id="1", error_code=code, error_reason="x"
    )


def on(step: FaultStep, *hosts: str) -> list[Happened]:
    return [Happened(step, host, "run", 12.34) for host in hosts]


@pytest.mark.parametrize("code", ABSENT)
def test_a_node_that_is_not_there_is_excused_by_what_took_it_away(code: int) -> None:
    errors = [reply(code)]
    assert unexcused(errors, errors, on(KILL, "pi2")) == []
    assert unexcused(errors, errors, []) == errors, "before the fault was applied"


@pytest.mark.parametrize("code", [1, 2])
def test_an_exception_of_the_app_is_never_excused(code: int) -> None:
    errors = [reply(5), reply(code)]
    assert unexcused(errors, errors, on(KILL, "pi2")) == [errors[1]]


def test_no_more_nodes_are_excused_in_a_round_than_the_fault_touches() -> None:
    two = [reply(5), reply(5)]
    assert unexcused(two, two, on(KILL, "pi2")) == two
    assert unexcused(two, two, on(KILL, "pi1", "pi2")) == []
    assert unexcused([*two, *two], two[:1], on(KILL, "pi2")) == [], "one in this round, others in rounds before"


def test_a_busy_processor_excuses_no_reply() -> None:
    errors = [reply(5)]
    assert unexcused(errors, errors, on(FaultStep(kind="load", duration_s=5), "pi2")) == errors


def test_only_processes_that_a_fault_kills_may_end() -> None:
    happened = on(KILL, "pi2")
    assert may_end("supernode", "pi2", happened)
    assert not may_end("supernode", "pi1", happened)
    assert not may_end("collectors", "pi2", happened)
    assert not may_end(
        "superlink", "server", on(FaultStep(kind="kill", process="superlink", target="server"), "server")
    )
    assert not may_end("supernode", "pi2", on(FaultStep(kind="stop", process="supernode", duration_s=3), "pi2"))


def test_a_reason_is_of_the_closed_list_and_names_the_fault() -> None:
    steps = [KILL, FaultStep(kind="clock", step_ms=5), FaultStep(kind="background", trace="t")]
    assert {consequence(step) for step in steps} <= set(REASONS)
    assert (
        told(on(KILL, "pi2"), "crash") == "the SuperNode was killed on pi2 (fault crash, 12.3 s after the run began)"
    )
