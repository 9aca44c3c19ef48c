"""The payload workload: exact sizes, fresh content, the whole grid, and settings that are refused."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from flwr.app import ConfigRecord, Context, Message, RecordDict
from hypothesis import given
from hypothesis import strategies as st
from test_app import DEFAULTS

from fl_app.workloads import client_app
from fl_app.workloads.array_records import to_bytes, to_record
from fl_app.workloads.compute import compute_until
from fl_app.workloads.configuration import SettingError
from fl_app.workloads.payload import Exchange, Payload, PayloadSizeError, check, combined, payload, sizes
from fl_app.workloads.settings import settings


def plan(*, down: str | int = 3000, up: str | int = 2000, arrays: str | int = 3, seed: int = 5) -> Payload:
    asked = {"payload-down-bytes": down, "payload-up-bytes": up, "payload-arrays": arrays}
    return payload({**DEFAULTS, **asked}, seed=seed)


@given(data=st.data(), total=st.integers(1, 5000))
def test_sizes_are_exact_and_differ_by_one_at_most(data: st.DataObject, total: int) -> None:
    count = data.draw(st.integers(1, total))
    made = sizes(total, count)
    assert (sum(made), len(made)) == (total, count)
    assert max(made) - min(made) <= 1
    assert min(made) >= 1


@given(data=st.data(), down=st.integers(1, 5000), up=st.integers(1, 5000), server_round=st.integers(1, 100))
def test_the_arrays_hold_the_bytes_asked_for(data: st.DataObject, down: int, up: int, server_round: int) -> None:
    count = data.draw(st.integers(1, min(down, up)))
    made = plan(down=down, up=up, arrays=count)
    for arrays, total in ((made.down(server_round), down), (made.up(server_round, 2), up)):
        assert [array.nbytes for array in arrays.values()] == sizes(total, count)
        assert {array.dtype for array in arrays.values()} == {np.dtype(np.uint8)}
        check(arrays, total_bytes=total, count=count, where="here")


def test_every_array_of_every_round_client_direction_and_seed_has_bytes_of_its_own() -> None:
    rounds, clients = range(1, 8), range(5)
    contents = [
        array.tobytes()
        for seed, server_round in product((0, 1, 2), rounds)
        for arrays in (
            plan(seed=seed).down(server_round),
            *(plan(seed=seed).up(server_round, client) for client in clients),
        )
        for array in arrays.values()
    ]
    assert len(contents) == 3 * 7 * 6 * 3
    assert len(set(contents)) == len(contents)


def test_the_same_key_gives_the_same_bytes() -> None:
    for one, other in zip(plan().up(3, 1).values(), plan().up(3, 1).values(), strict=True):
        assert np.array_equal(one, other)


def test_the_bytes_are_those_of_every_other_numpy() -> None:
    """Server and clients may have different ones: these were made by numpy 2.4.6 from PCG64's raw words."""
    (array,) = plan(down=16, arrays=1).down(1).values()
    assert array.tobytes().hex() == "425e2ae3f695fde1d4e80c460242ea8d"
    grid = plan(down="10,20,30", up="40,50").exchanges
    assert [(of.down_bytes, of.up_bytes) for of in grid] == [
        (10, 50),
        (30, 50),
        (20, 50),
        (10, 40),
        (30, 40),
        (20, 40),
    ]


def test_the_bytes_do_not_compress() -> None:
    import zlib

    (array,) = plan(down=100_000, arrays=1).down(1).values()
    assert len(zlib.compress(array.tobytes(), 9)) >= 100_000


@given(
    downs=st.sets(st.integers(64, 10**6), min_size=1, max_size=3),
    ups=st.sets(st.integers(64, 10**6), min_size=1, max_size=3),
    counts=st.sets(st.integers(1, 64), min_size=1, max_size=3),
    seed=st.integers(0, 2**40),
)
def test_a_sweep_sends_every_combination_once_and_again(
    downs: set[int], ups: set[int], counts: set[int], seed: int
) -> None:
    made = plan(down=_text(downs), up=_text(ups), arrays=_text(counts), seed=seed)
    whole = {Exchange(down_bytes=d, up_bytes=u, arrays=n) for d, u, n in product(downs, ups, counts)}
    cycle = [made.exchange(server_round) for server_round in range(1, len(whole) + 1)]
    assert set(cycle) == whole
    assert [made.exchange(server_round + len(whole)) for server_round in range(1, len(whole) + 1)] == cycle


def test_the_seed_draws_the_order() -> None:
    orders = {plan(down="10,20,30", up="10,20,30", arrays="1,2,3", seed=seed).exchanges for seed in range(20)}
    assert len(orders) == 20


def test_the_exclusive_or_depends_on_every_byte_and_on_no_order() -> None:
    replies = [plan().up(1, client) for client in range(4)]
    one, other = combined(replies), combined(replies[::-1])
    assert all(np.array_equal(one[name], other[name]) for name in one)
    replies[2]["1"] = replies[2]["1"].copy()
    replies[2]["1"][100] += 1
    assert not np.array_equal(combined(replies)["1"], one["1"])


@pytest.mark.parametrize(
    ("total", "count"), [(2001, 3), (1999, 3), (2000, 2)], ids=["a byte more", "a byte less", "an array less"]
)
def test_another_size_is_told_with_both(total: int, count: int) -> None:
    wrong = plan(up=total, arrays=count).up(1, 0)
    with pytest.raises(
        PayloadSizeError, match=f"round 1: {total} bytes in {count} arrays came.*2000 in 3 were asked"
    ):
        check(wrong, total_bytes=2000, count=3, where="round 1")


def test_the_right_sum_in_other_parts_is_another_size() -> None:
    wrong = {"0": np.zeros(10, np.uint8), "1": np.zeros(90, np.uint8)}
    with pytest.raises(PayloadSizeError, match="largest has 90"):
        check(wrong, total_bytes=100, count=2, where="round 1")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"payload-down-bytes": -1}, "payload-down-bytes=-1: must be 1 or more"),
        ({"payload-up-bytes": "1000,-5"}, "payload-up-bytes=-5: must be 1 or more"),
        ({"payload-up-bytes": 0}, "must be 1 or more"),
        ({"payload-arrays": 0}, "payload-arrays=0: must be 1 or more"),
        ({"payload-arrays": "1,8,1"}, "names 1 twice"),
        ({"payload-arrays": "one"}, "takes a whole number, or several"),
        ({"payload-down-bytes": ""}, "takes a whole number, or several"),
        ({"payload-down-bytes": 1.5}, "takes a whole number, or several"),
        ({"payload-down-bytes": True}, "takes a whole number, or several"),
        ({"payload-down-bytes": "5,1000", "payload-arrays": "1,8"}, "payload-arrays=8 with payload-down-bytes=5"),
        ({"payload-compute-s": -0.5}, "takes seconds, 0 or more"),
        ({"payload-compute-s": float("nan")}, "takes seconds, 0 or more"),
        ({"payload-compute-s": "long"}, "takes seconds, 0 or more"),
        ({"payload-compute": "think"}, "there are sleep and spin"),
        ({"workload": "letters"}, "workload='letters': there are digits and payload"),
        ({"workload": "payload", "fraction-evaluate": 0.5}, "nothing that could be evaluated"),
        ({"workload": "payload", "patience": 2}, "nothing that could be evaluated"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, bool | float | int | str], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        settings({**DEFAULTS, **wrong})


def test_the_defaults_are_one_exchange_and_train_digits() -> None:
    chosen = settings(DEFAULTS)
    assert chosen.workload == "digits"
    assert chosen.payload.exchanges == (Exchange(down_bytes=10**6, up_bytes=10**6, arrays=1),)


class Clock:
    """Time that passes when slept, and by a tenth of a second whenever it is read."""

    def __init__(self) -> None:
        self.now, self.slept, self.reads = 100.0, 0.0, 0

    def read(self) -> float:
        self.reads += 1
        self.now += 0.1
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.now += seconds


def test_sleeping_sleeps_what_is_left_and_spinning_reads_the_clock() -> None:
    sleeper, spinner = Clock(), Clock()
    compute_until(102.0, "sleep", now_s=sleeper.read, sleep_s=sleeper.sleep)
    assert (round(sleeper.slept, 6), sleeper.reads) == (1.9, 1)
    compute_until(102.0, "spin", now_s=spinner.read, sleep_s=spinner.sleep)
    assert spinner.slept == 0
    assert spinner.now >= 102.0
    assert spinner.reads >= 20


@pytest.mark.parametrize("compute", ["sleep", "spin"])
def test_a_deadline_that_has_passed_costs_nothing(compute: str) -> None:
    clock = Clock()
    compute_until(99.0, compute, now_s=clock.read, sleep_s=clock.sleep)  # type: ignore[arg-type]
    assert (clock.slept, clock.reads) == (0, 1)


def ask(server_round: int, *, client: int = 1, sent: Payload | None = None, **overrides: float | str) -> Message:
    """One message through the client's own train function."""
    asked: dict[str, bool | float | int | str] = {
        "workload": "payload",
        "payload-down-bytes": "500,3000",
        "payload-up-bytes": 2000,
        "payload-arrays": "1,7",
        **overrides,
    }
    chosen = settings({**DEFAULTS, **asked}).payload
    content = RecordDict(
        {
            "arrays": to_record((sent or chosen).down(server_round)),
            "config": ConfigRecord({"server-round": server_round}),
        }
    )
    node = {"partition-id": client, "num-partitions": 4}
    message = Message(content, dst_node_id=7, message_type="train")
    return client_app.train(message, Context(1, 7, node, RecordDict(), {**DEFAULTS, **asked}))


@pytest.mark.parametrize("server_round", [1, 2, 3, 4, 5])
def test_a_reply_has_the_rounds_size_and_nothing_else(server_round: int) -> None:
    chosen = plan(down="500,3000", up=2000, arrays="1,7", seed=DEFAULTS["seed"])
    reply = ask(server_round)
    came = to_bytes(reply.content.array_records["arrays"])
    check(came, total_bytes=2000, count=chosen.exchange(server_round).arrays, where="reply")
    assert all(np.array_equal(came[name], array) for name, array in chosen.up(server_round, 1).items())
    assert dict(reply.content.metric_records["metrics"]) == {"partition-id": 1}
    assert len(reply.content) == 2


def test_a_client_refuses_a_message_of_another_size() -> None:
    with pytest.raises(PayloadSizeError, match="round 1, message to the client"):
        ask(1, sent=plan(down=999, arrays=1))


def _text(values: set[int]) -> str:
    return ",".join(str(value) for value in values)
