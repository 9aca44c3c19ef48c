"""What the probes wrote of one real run: whole, joined, in order, and without any trouble of their own."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from contextlib import suppress
from itertools import pairwise

import psutil
import pytest
from deployments import NODES, ROUNDS, Run, port_of

from instrument.clock import short_id, this_clock
from instrument.flower.names import PLACES
from instrument.phases import SPANS
from instrument.records import Dispatch, Fault, Hook, Model, Reply, Rpc, Score, Serve, Sleep, Span
from instrument.spool import SegmentFile

pytestmark = pytest.mark.flower

MESSAGES = NODES * ROUNDS * 3  # train, test and validation
FLEET = "/flwr.proto.Fleet/"
RUNTIME = "/flwr.proto.Runtime/"
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


GOODBYES = (f"{FLEET}DeactivateNode", f"{FLEET}UnregisterNode")


def rpcs(run: Run, role: str = "") -> list[Rpc]:
    """All requests but the SuperNodes' last, to a SuperLink that is told to end when they are."""
    return [rpc for _, rpc in run.of(Rpc, role) if isinstance(rpc, Rpc) and rpc.method not in GOODBYES]


def node_rpcs(segment: SegmentFile) -> list[Rpc]:
    """A SuperNode's requests, in the order in which they were begun."""
    found = [record for record in segment.records if isinstance(record, Rpc) and record.method.startswith(FLEET)]
    return sorted(found, key=lambda rpc: rpc.start_mono_ns)


def test_the_run_completed(measured: Run) -> None:
    assert measured.status.completed


def test_the_app_did_what_it_was_asked_and_left_no_process(measured: Run) -> None:
    (log,) = measured.logs.glob("run-*.log")
    text = log.read_text(encoding="utf-8")
    assert text.count("global_model round=") == 1 + ROUNDS
    assert text.count(f"Received {NODES} results and 0 failures") == ROUNDS * 3  # train, test and validation
    assert "'validation-accuracy'" in text
    folder = str(measured.spool.parent)
    assert [one for one in psutil.process_iter() if _home_of(one).startswith(folder)] == []


def _home_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.environ().get("FLWR_HOME", "")
    return ""


def test_every_process_left_one_segment(measured: Run) -> None:
    assert Counter(segment.header.role for segment in measured.segments) == {
        "flower-superlink": 1,
        "flower-supernode": NODES,
        "flower-superexec": NODES + 1,
        "flwr-serverapp": 1,
        "flwr-clientapp": MESSAGES,
    }


def test_every_segment_is_whole_the_superlinks_included(measured: Run) -> None:
    """The SuperLink dies by SIGTERM's default action, which uvicorn raises again at its end."""
    assert [segment.path.name for segment in measured.segments if not segment.whole] == []
    assert all(segment.torn_bytes == 0 for segment in measured.segments)


def test_the_probes_had_no_trouble(measured: Run) -> None:
    assert [fault for _, fault in measured.of(Fault)] == []


def test_every_process_says_that_it_found_every_hook(measured: Run) -> None:
    for segment in measured.segments:
        told = {record.name: record.found for record in segment.records if isinstance(record, Hook)}
        assert told == dict.fromkeys(PLACES[segment.header.role], True)


def test_the_probes_said_nothing_in_anyones_log(measured: Run) -> None:
    for log in measured.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        assert "fedprobe:" not in text, log.name
        assert "Traceback" not in text, log.name


def test_every_span_was_seen(measured: Run) -> None:
    assert {span.name for _, span in measured.of(Span)} == set(SPANS)


def test_no_span_ends_before_it_starts_or_with_an_error(measured: Run) -> None:
    for _, span in measured.of(Span):
        assert span.start_mono_ns <= span.end_mono_ns
        assert span.error is None


def test_spans_are_counted_once_each(measured: Run) -> None:
    assert Counter(span.name for _, span in measured.of(Span) if span.name != "grid_pull") == {
        "strategy": 1,
        "configure": 2 * ROUNDS,
        "aggregate": 2 * ROUNDS,
        "evaluate_server": ROUNDS + 1,
        "grid_push": 2 * ROUNDS,
        "launch": MESSAGES + 1,
        **dict.fromkeys(["collect_pull", "collect_inflate", "task_input", "inflate", "install"], MESSAGES),
        **dict.fromkeys(["client_app", "app_function", "push_message"], MESSAGES),
    }


def test_the_sleeps_of_every_polling_module_were_seen(measured: Run) -> None:
    seen = {sleep.where for _, sleep in measured.of(Sleep)}
    assert seen >= {
        "flwr.supernode.start_client_internal",
        "flwr.supercore.superexec.run_superexec",
        "flwr.superlink.grid.http_grid",
    }


def test_a_sleep_lasts_as_long_as_was_asked(measured: Run) -> None:
    for _, sleep in measured.of(Sleep):
        if sleep.where != "flwr.supercore.inflatable.inflatable_utils":  # a wait may be ended early
            assert sleep.end_mono_ns - sleep.start_mono_ns >= sleep.asked_s * 1e9


def test_a_round_is_its_spans_in_order(measured: Run) -> None:
    spans = sorted((span for _, span in measured.of(Span, "flwr-serverapp")), key=lambda span: span.start_mono_ns)
    outer = [span for span in spans if span.name in {"configure", "grid_push", "aggregate", "evaluate_server"}]
    part = ["configure", "grid_push", "aggregate"]
    assert [span.name for span in outer] == ["evaluate_server"] + ROUNDS * [*part, *part, "evaluate_server"]
    assert [span.round for span in outer] == [0] + [number for number in range(1, ROUNDS + 1) for _ in range(7)]
    assert all(one.end_mono_ns <= other.start_mono_ns for one, other in pairwise(outer))


# requests


def test_every_request_to_a_probed_server_carries_its_stamps(measured: Run) -> None:
    without = Counter(rpc.method for rpc in rpcs(measured) if rpc.server_request is None)
    assert without == {}
    assert {rpc.server_clock for rpc in rpcs(measured)} == {short_id(str(this_clock()))}


def test_every_stamped_request_is_one_its_server_recorded(measured: Run) -> None:
    serves = {
        (port_of(segment), serve.request): serve
        for segment, serve in measured.of(Serve)
        if segment.header.role in {"flower-superlink", "flower-supernode"}
    }
    assert len(serves) == sum(1 for _ in measured.of(Serve))
    for rpc in rpcs(measured):
        serve = serves.pop((int(rpc.server.rpartition(":")[2]), rpc.server_request))
        assert serve.arrive_mono_ns == rpc.server_arrive_mono_ns
        assert serve.first_byte_mono_ns == rpc.server_first_byte_mono_ns
        assert serve.last_byte_mono_ns == rpc.server_last_byte_mono_ns
        assert serve.response_mono_ns == rpc.server_response_mono_ns
        assert (serve.request_bytes, serve.response_bytes) == (rpc.request_bytes, rpc.response_bytes)
        assert (serve.status, serve.peer_port) == (rpc.status, rpc.local_port)
        assert serve.error is None
    # what is left was asked by the command line, which has no probe
    unasked = [serve.path for serve in serves.values() if not serve.path.startswith("/v1/control")]
    assert [path for path in unasked if not path.endswith(("deactivate-node", "unregister-node"))] == []


def test_the_moments_of_a_request_are_in_order(measured: Run) -> None:
    """Client and server read one clock here: a response cannot be read before it was sent."""
    for rpc in rpcs(measured):
        client = [rpc.start_mono_ns, rpc.headers_sent_mono_ns, rpc.body_sent_mono_ns, rpc.response_mono_ns]
        client += [rpc.body_read_mono_ns, rpc.end_mono_ns]
        assert None not in client, rpc
        assert client == sorted(client), rpc
        there = [rpc.headers_sent_mono_ns, rpc.server_arrive_mono_ns, rpc.server_first_byte_mono_ns]
        there += [rpc.server_last_byte_mono_ns, rpc.server_response_mono_ns, rpc.response_mono_ns]
        assert None not in there, rpc
        assert there == sorted(there), rpc
        assert (rpc.connect_start_mono_ns is None) == (rpc.connect_end_mono_ns is None)
        if rpc.connect_start_mono_ns is not None:
            connect = [rpc.start_mono_ns, rpc.connect_start_mono_ns, rpc.connect_end_mono_ns]
            assert [*connect, rpc.headers_sent_mono_ns] == sorted([*connect, rpc.headers_sent_mono_ns])


def test_every_request_succeeded(measured: Run) -> None:
    assert {(rpc.status, rpc.error) for rpc in rpcs(measured)} == {(200, None)}
    assert all(rpc.stored for rpc in rpcs(measured) if rpc.method.endswith("PushObject"))


def test_nothing_that_only_polls_is_recorded(measured: Run) -> None:
    quiet = ("AcquireTask", "PushLogs", "SendTaskHeartbeat", "SendNodeHeartbeat")
    assert not [rpc.method for rpc in rpcs(measured) if rpc.method.endswith(quiet)]


# joins


def test_each_message_has_its_dispatch_its_pull_its_task_and_its_reply(measured: Run) -> None:
    dispatched = {dispatch.message_id: dispatch for _, dispatch in measured.of(Dispatch)}
    replies = {reply.reply_to: reply for _, reply in measured.of(Reply)}
    asked = [rpc for rpc in rpcs(measured, "flower-supernode") if rpc.method.endswith("PullMessages")]
    pulled = {rpc.message_id: rpc for rpc in asked if rpc.message_id}
    tasks = {span.message_id: span for _, span in measured.of(Span) if span.name == "app_function"}
    assert len(dispatched) == MESSAGES
    assert dispatched.keys() == pulled.keys() == tasks.keys() == replies.keys()
    for message_id, dispatch in dispatched.items():
        assert replies[message_id].error_code is None
        assert replies[message_id].node_id == dispatch.node_id == pulled[message_id].node_id
        assert pulled[message_id].message_type == dispatch.message_type == tasks[message_id].message_type
        assert dispatch.run_id == measured.status.run_id


def test_each_round_asks_each_node_three_things(measured: Run) -> None:
    dispatches = [dispatch for _, dispatch in measured.of(Dispatch)]
    asked = Counter((dispatch.round, dispatch.message_type, dispatch.node_id) for dispatch in dispatches)
    nodes = {dispatch.node_id for dispatch in dispatches}
    assert len(nodes) == NODES
    assert asked == Counter(
        (number, kind, node)
        for number in range(1, ROUNDS + 1)
        for kind in ("train", "evaluate", "evaluate.validation")
        for node in nodes
    )
    assert {dispatch.round_source for dispatch in dispatches} == {"strategy"}


def test_objects_pulled_are_those_of_the_message_pulled_last(measured: Run) -> None:
    for segment in measured.role("flower-supernode"):
        announced: set[str] = set()
        pulled: set[str | None] = set()
        for rpc in node_rpcs(segment):
            if rpc.method == f"{FLEET}PullMessages" and rpc.message_id:
                assert pulled <= announced
                announced, pulled = set(rpc.object_ids), set()
                assert rpc.message_id in announced
            if rpc.method == f"{FLEET}PullObject":
                assert rpc.object_id in announced
                if rpc.object_available:  # one that is asked for before it is there is asked for again
                    pulled.add(rpc.object_id)
        assert pulled == announced


def test_objects_pushed_belong_to_the_session_of_their_message(measured: Run) -> None:
    for segment in measured.role("flower-supernode"):
        sessions: dict[str | None, set[str]] = {}
        pushed = defaultdict(set)
        for rpc in node_rpcs(segment):
            if rpc.method == f"{FLEET}PushMessages":
                assert rpc.session_id
                sessions[rpc.session_id] = set(rpc.object_ids)
            if rpc.method == f"{FLEET}PushObject":
                pushed[rpc.session_id].add(rpc.object_id)
        assert len(sessions) == MESSAGES // NODES
        assert pushed == sessions


def test_a_train_reply_carries_its_model(measured: Run) -> None:
    models = {model.round: model for _, model in measured.of(Model)}
    assert models.keys() == set(range(1, ROUNDS + 1))
    node_requests = rpcs(measured, "flower-supernode")
    announced = [rpc for rpc in node_requests if rpc.method.endswith("PushMessages") and rpc.message_type == "train"]
    assert len(announced) == NODES * ROUNDS
    for reply in announced:
        moved = [
            rpc.request_bytes
            for rpc in node_requests
            if rpc.method.endswith("PushObject") and rpc.session_id == reply.session_id
        ]
        assert models[1].payload_bytes < sum(moved) < models[1].payload_bytes * 1.01


def test_each_client_app_was_launched_by_a_superexec(measured: Run) -> None:
    launches = {span.count: span for _, span in measured.of(Span, "flower-superexec") if span.name == "launch"}
    for segment in [*measured.role("flwr-clientapp"), *measured.role("flwr-serverapp")]:
        header, launch = segment.header, launches[segment.header.pid]
        assert launch.start_mono_ns - TICK_NS <= header.exec_mono_ns <= header.mono_ns
        first = min(record.start_mono_ns for record in segment.records if isinstance(record, Rpc))
        assert launch.start_mono_ns < header.mono_ns < first


def test_the_server_scored_every_global_model(measured: Run) -> None:
    scores = [score for _, score in measured.of(Score)]
    assert [score.round for score in scores if score.source == "server"] == list(range(ROUNDS + 1))
    for kind in ("train", "evaluate"):
        assert [score.round for score in scores if score.source == kind] == list(range(1, ROUNDS + 1))
    logged = {int(number): float(accuracy) for number, accuracy, _ in measured.models()}
    for score in scores:
        if score.source == "server":
            assert round(score.metrics["accuracy"], 4) == logged[score.round]


# headers


def test_no_token_is_written_anywhere(measured: Run) -> None:
    for segment in [*measured.role("flwr-clientapp"), *measured.role("flwr-serverapp")]:
        argv = segment.header.argv
        assert argv[argv.index("--token") + 1] == "..."


def test_flowers_own_traffic_was_off_in_every_process(measured: Run) -> None:
    for segment in measured.segments:
        assert segment.header.settings["FLWR_TELEMETRY_ENABLED"] == "0"
        assert segment.header.settings["FLWR_DISABLE_UPDATE_CHECK"] == "1"


def test_every_process_says_on_which_clock_it_measured(measured: Run) -> None:
    assert {segment.header.clock for segment in measured.segments} == {str(this_clock())}
    assert all(segment.header.versions["flwr"] for segment in measured.segments)


# with and without


def test_the_probes_change_no_result(measured: Run, bare: Run) -> None:
    assert bare.status.completed
    assert len(bare.models()) == ROUNDS + 1
    assert measured.models() == bare.models()


def test_switched_off_nothing_is_written(bare: Run) -> None:
    assert bare.segments == []
    assert not bare.spool.exists()
