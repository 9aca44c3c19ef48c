"""The payload workload's server: each round sends fresh arrays of its own size, and refuses other replies."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest
from flwr.app import ArrayRecord, ConfigRecord, Context, Error, Message, RecordDict
from test_app import DEFAULTS, FOLDER
from test_strategy import FakeGrid

from fl_app.workloads import client_app, exchange, server_app
from fl_app.workloads.array_records import to_bytes, to_record
from fl_app.workloads.configuration import SettingError
from fl_app.workloads.exchange import PayloadExchange
from fl_app.workloads.payload import Payload, PayloadSizeError, payload, sizes
from fl_app.workloads.strategy import DuplicatePartitionError
from testbed.loopback import Loopback

CONFIGURATION = {
    **DEFAULTS,
    "workload": "payload",
    "payload-down-bytes": "1001,5003",
    "payload-up-bytes": 2003,
    "payload-arrays": "1,7",
}


class ClientGrid(FakeGrid):
    """Nodes that answer by the client app's own train function; node 10+p serves partition p."""

    def _answer(self, message: Message) -> Message:  # type: ignore[override]
        node = {"partition-id": message.metadata.dst_node_id - 10, "num-partitions": self.nodes}
        return client_app.train(message, Context(1, 7, node, RecordDict(), CONFIGURATION))


def plan() -> Payload:
    return payload(CONFIGURATION, seed=DEFAULTS["seed"])


def replies(server_round: int, *, clients: int = 3) -> list[Message]:
    grid = ClientGrid(clients)
    strategy = PayloadExchange(clients=clients, payload=plan())
    asked = strategy.configure_train(server_round, ArrayRecord(), ConfigRecord(), grid)
    return list(grid.send_and_receive(asked))


def digest(arrays: ArrayRecord | None) -> str:
    assert arrays is not None
    return hashlib.sha256(b"".join(array.data for array in arrays.values())).hexdigest()


def test_every_round_sends_its_own_fresh_arrays_and_a_small_configuration() -> None:
    grid = ClientGrid(3)
    exchange.run(grid, payload=plan(), clients=3, rounds=6)
    batches = [batch for batch in grid.sent if batch]
    assert len(batches) == 6
    contents = []
    for server_round, batch in enumerate(batches, start=1):
        asked = plan().exchange(server_round)
        assert sorted(message.metadata.dst_node_id for message in batch) == [10, 11, 12]
        records = [message.content.array_records["arrays"] for message in batch]
        assert len({digest(record) for record in records}) == 1, "as a model, the same for all"
        arrays = to_bytes(records[0])
        assert [array.nbytes for array in arrays.values()] == sizes(asked.down_bytes, asked.arrays)
        assert list(batch[0].content.config_records["config"]) == ["server-round"]
        contents += [array.tobytes() for array in arrays.values()]
    assert len(set(contents)) == len(contents)


def test_the_result_differs_from_round_to_round_and_not_with_the_order_of_replies() -> None:
    strategy = PayloadExchange(clients=3, payload=plan())
    rounds = [(number, replies(number)) for number in range(1, 6)]
    once = [digest(strategy.aggregate_train(number, came)[0]) for number, came in rounds]
    again = [digest(strategy.aggregate_train(number, came[::-1])[0]) for number, came in rounds]
    assert once == again
    assert len(set(once)) == 5


def test_a_reply_of_another_size_ends_the_run_and_says_whose_it_is() -> None:
    came = replies(1)
    other = to_record(payload({**CONFIGURATION, "payload-up-bytes": 1999}, seed=1).up(1, 1))
    came[1].content["arrays"] = other
    node = came[1].metadata.src_node_id
    with pytest.raises(PayloadSizeError, match=f"round 1, reply of node {node}: 1999 bytes .* 2003 in"):
        PayloadExchange(clients=3, payload=plan()).aggregate_train(1, came)


def test_failed_replies_are_logged_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    came = replies(1)
    strategy = PayloadExchange(clients=3, payload=plan())
    asked = next(iter(strategy.configure_train(1, ArrayRecord(), ConfigRecord(), ClientGrid(3))))
    failed = Message(Error(code=0, reason="out of memory"), reply_to=asked)
    with caplog.at_level(logging.INFO):
        two, _ = strategy.aggregate_train(1, [came[0], failed, came[1]])
    assert digest(two) == digest(strategy.aggregate_train(1, came[:2])[0])
    assert "received 2 replies, 1 failed" in caplog.text
    assert "out of memory" in caplog.text
    assert strategy.aggregate_train(1, [failed]) == (None, None)


def test_two_clients_of_one_partition_are_refused() -> None:
    came = replies(1)
    with pytest.raises(DuplicatePartitionError):
        PayloadExchange(clients=3, payload=plan()).aggregate_train(1, [*came, came[0]])


@pytest.mark.parametrize(("rounds", "said"), [(3, True), (4, False), (5, False)])
def test_combinations_that_no_round_is_left_for_are_told(
    caplog: pytest.LogCaptureFixture, rounds: int, said: bool
) -> None:
    with caplog.at_level(logging.WARNING):
        exchange.run(ClientGrid(2), payload=plan(), clients=2, rounds=rounds)
    assert ("1 of them are not sent" in caplog.text) is said


def run(grid: FakeGrid, **overrides: float | int | str) -> None:
    """The ServerApp's own main function."""
    server_app.app(grid, Context(1, 7, {}, RecordDict(), {**CONFIGURATION, **overrides}))


def test_the_server_app_runs_the_workload_that_is_asked_for() -> None:
    grid = ClientGrid(2)
    run(grid, **{"num-clients": 2, "num-server-rounds": 2})
    asked = plan().exchange(1)
    sent = to_bytes(grid.sent[0][0].content.array_records["arrays"])
    assert [array.nbytes for array in sent.values()] == sizes(asked.down_bytes, asked.arrays)


def test_a_bad_setting_ends_the_run_before_anything_is_sent() -> None:
    grid = ClientGrid(2)
    with pytest.raises(SettingError, match="payload-arrays=0"):
        run(grid, **{"payload-arrays": 0})
    assert grid.sent == []


@pytest.mark.flower
@pytest.mark.long
def test_the_workload_runs_on_a_real_deployment(tmp_path: Path) -> None:
    overrides = {
        "workload": "payload",
        "num-server-rounds": 2,
        "num-clients": 2,
        "payload-up-bytes": "1001,2003",
        "payload-arrays": 3,
        "payload-compute": "spin",
    }
    with Loopback(2, tmp_path) as deployment:
        status = deployment.run(FOLDER, overrides, timeout_s=300)
    assert status.status == "finished:completed"
    log = (deployment.logs / f"run-{status.run_id}.log").read_text(encoding="utf-8")
    for number in (1, 2):
        assert f"payload round={number}: received 2 replies, 0 failed" in log
    for size in (1001, 2003):
        assert f"down_bytes=1000000 up_bytes={size} arrays=3" in log
