"""A ClientApp killed while it trains, a SuperNode killed while it uploads, a reply that the SuperLink threw away."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from deployments import disturbed, launcher
from slow_link import SlowLink

from analysis.document import to_json
from analysis.model import MessageTimes, TrialTimes
from analysis.summary import summarise
from analysis.trial import load_spool
from instrument.probe import BEAT_S
from testbed.foreign_app import write
from testbed.loopback import Loopback

pytestmark = pytest.mark.flower

APP_KILLED, NODE_KILLED, REPLY_LOST, GOOD = range(4)  # by partition
# seconds that Flower waits for a sign of life of a task or a node (60), and for an object of a reply (180)
LEASE_S, SESSION_S = 10, 3
DISTURBANCE = {
    "*": {
        "constants": {
            "flwr.common.constant": {
                "HEARTBEAT_DEFAULT_INTERVAL": LEASE_S,
                "HEARTBEAT_PATIENCE": 1,
                "HEARTBEAT_CALL_TIMEOUT": 2,
                "HEARTBEAT_MIN_INTERVAL": 1,
            }
        }
    },
    "flower-superlink": {"constants": {"flwr.supercore.constant": {"OBJECT_PUSH_SESSION_TTL_SECONDS": SESSION_S}}},
}
# a reply has 3 MB. The lost one takes longer than its session lasts, and is answered before the run ends, which the
# killed ClientApp holds up for its lease
UP_BYTES_PER_S = {NODE_KILLED: 3_000_000 / 9, REPLY_LOST: 3_000_000 / (1.5 * SESSION_S)}
SENT_BEFORE_THE_KILL = 600_000
TRAINED_S = 2 * BEAT_S  # what was recorded longer than a beat before the kill is kept
TRAIN = f"""
    import os, signal, time
    if context.node_config["partition-id"] == {APP_KILLED}:
        time.sleep({TRAINED_S})
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> TrialTimes:
    """One round of four nodes, of which one is well."""
    folder = tmp_path_factory.mktemp("losses")
    app, spool = folder / "app", folder / "spool"
    write(app)
    rewrite(app / "quickstart" / "client_app.py", "context: Context) -> Message:\n", TRAIN)
    rewrite(app / "quickstart" / "server_app.py", "np.zeros(100_000", "", instead="np.zeros(750_000")
    links: dict[int, SlowLink] = {}
    with ExitStack() as stack:

        def route(index: int, address: str) -> str:
            if index not in UP_BYTES_PER_S:
                return address
            links[index] = stack.enter_context(SlowLink(address, UP_BYTES_PER_S[index]))
            return links[index].address

        variables = {**disturbed(repository, DISTURBANCE), "FEDPROBE_POLLING": "fast"}
        with Loopback(4, folder, launcher(spool), variables, route=route) as deployment:
            killer = threading.Thread(
                target=kill_while_it_uploads,
                args=(links[NODE_KILLED], deployment.pid(f"supernode-{NODE_KILLED}")),
                daemon=True,
            )
            killer.start()
            status = deployment.run(app, {"num-server-rounds": 1, "num-clients": 4}, timeout_s=120)
            assert status.completed
            assert not killer.is_alive()
    return load_spool(spool)


def rewrite(path: Path, start: str, more: str, *, instead: str = "") -> None:
    text = path.read_text()
    assert text.count(start) == 1
    path.write_text(text.replace(start, (instead or start) + more))


def kill_while_it_uploads(link: SlowLink, pid: int) -> None:
    while link.up < SENT_BEFORE_THE_KILL:
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)


def of_partition(trial: TrialTimes, partition: int) -> MessageTimes:
    """The message to a node; nodes are numbered in the order in which they were started."""
    (message,) = (one for one in trial.messages if one.node.endswith(f"/{partition + 1}"))
    return message


def test_each_message_ended_as_flower_says_and_a_lost_one_as_the_probe_saw(trial: TrialTimes) -> None:
    ends = [of_partition(trial, partition) for partition in (APP_KILLED, NODE_KILLED, REPLY_LOST, GOOD)]
    assert [message.outcome for message in ends] == ["error:8", "error:3", "lost", "ok"]
    assert [message.error_code for message in ends] == [8, 3, 3, None]


def test_a_client_app_killed_while_it_trained_has_no_training_time(trial: TrialTimes) -> None:
    message = of_partition(trial, APP_KILLED)
    assert message.missing == ["app_load", "train", "deflate", "stage_out", "wait_uplink"]
    assert message.downlink is not None
    assert message.downlink.outcome == "ok"
    assert message.uplink is not None  # of Flower's own error, not of a model
    assert message.uplink.outcome == "error:8"
    assert message.uplink.payload_bytes < 1000


def test_a_node_killed_while_it_uploaded_has_a_transfer_that_is_cut_off(trial: TrialTimes) -> None:
    message = of_partition(trial, NODE_KILLED)
    assert message.seconds("train") is not None
    assert {"uplink", "store", "wait_collect"} <= set(message.missing)
    assert message.uplink is not None
    assert message.uplink.outcome == "censored"
    assert message.uplink.payload_bytes < SENT_BEFORE_THE_KILL


def test_a_reply_that_the_superlink_threw_away_is_lost(trial: TrialTimes) -> None:
    message = of_partition(trial, REPLY_LOST)
    assert message.uplink is not None
    assert message.uplink.outcome == "lost"
    assert message.uplink.payload_bytes > 3_000_000  # all of it came, too late


def test_none_of_them_is_a_number_of_the_report(trial: TrialTimes) -> None:
    """The round is not compared, the good message in it included; how the others ended is told."""
    summary = summarise([trial])
    document = to_json(summary)
    assert document["phases"]["loopback"] == {}
    assert document["messages"]["by_outcome"] == {"error:3": 1, "error:8": 1, "lost": 1, "ok": 1}
    verdicts = {verdict["rule"]: verdict for verdict in document["verdicts"]}
    assert "1 error:3, 1 error:8 and 1 lost (error:3)" in verdicts["lost_messages"]["finding"]
    assert verdicts["incomplete_rounds"]["severity"] == "unfit"
    killed = {"flwr-clientapp": 0, "flower-supernode": 0}
    for name in trial.cut_segments:
        killed = {role: number + (role in name) for role, number in killed.items()}
    assert killed == {"flwr-clientapp": 1, "flower-supernode": 1}
