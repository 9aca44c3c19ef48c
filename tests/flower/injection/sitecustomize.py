"""Sleeps of half a second inside Flower's processes, each at a place that belongs to exactly one phase.

The bootstrap of the probes runs this as the user's own sitecustomize: its import hooks lie outside the probes'
own. Each sleep is made once and written to INJECTION_OUT as {"phase", "start_ns", "end_ns", "pid"}; files beside
them are marks, by which one process waits for another so that no two phases of the message overlap. That waiting
is not recorded: it makes the chain's order certain and is charged to whatever it delays.
"""

import functools
import json
import os
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from post_import import after_import

sys.path.pop(0)

SLEEP_S = 0.5
PATIENCE_S = 60.0
FOLDER = Path(os.environ.get("INJECTION_OUT", "."))
ROLE = next((Path(word).name for word in sys.orig_argv[:3] if Path(word).name.startswith(("flwr-", "flower-"))), "")


def inject(phase):
    """Sleep once in the whole deployment for this phase, and write down when."""
    try:
        (FOLDER / f"{phase}.claimed").touch(exist_ok=False)
    except FileExistsError:
        return
    start_ns = time.monotonic_ns()
    time.sleep(SLEEP_S)
    made = {"phase": phase, "start_ns": start_ns, "end_ns": time.monotonic_ns(), "pid": os.getpid()}
    (FOLDER / f"{phase}.json").write_text(json.dumps(made))


def mark(name):
    (FOLDER / f"{name}.mark").touch()


def marked(name):
    return (FOLDER / f"{name}.mark").exists()


def wait_for(name):
    deadline = time.monotonic() + PATIENCE_S
    while not marked(name) and time.monotonic() < deadline:
        time.sleep(0.01)


def before(function, *phases):
    """The function with a sleep before each first call of it."""

    @functools.wraps(function)
    def slowed(*arguments, **options):
        for phase in phases:
            inject(phase)
        return function(*arguments, **options)

    return slowed


def before_third_call(function, phase, then=lambda: None):
    """With two workers, the third call begins when an object has been moved: the transfer is going on."""
    lock, calls = threading.Lock(), []

    @functools.wraps(function)
    def slowed(*arguments, **options):
        with lock:
            calls.append(None)
            third = len(calls) == 3
        if third:
            inject(phase)
            then()
        return function(*arguments, **options)

    return slowed


def inflating_slowly(module, phase):
    inflate = module.ArrayRecord.inflate.__func__

    def slowed(cls, *arguments, **options):
        inject(phase)
        return inflate(cls, *arguments, **options)

    module.ArrayRecord.inflate = classmethod(slowed)


# ServerApp


def in_fedavg(module):
    module.sample_nodes = before(module.sample_nodes, "configure")
    module.aggregate_arrayrecords = before(module.aggregate_arrayrecords, "aggregate")


def in_http_grid(module):
    grid = module.HttpGrid
    try_push, pull = grid._try_push_messages, grid.pull_messages
    push = grid.push_messages

    def slow_try_push(*arguments, **options):
        mark("publishing")
        inject("publish")
        return try_push(*arguments, **options)

    def marking_push(*arguments, **options):
        result = push(*arguments, **options)
        mark("published")
        return result

    def slow_pull(*arguments, **options):
        if marked("replying") and not marked("stored"):
            wait_for("stored")
        if marked("stored"):
            inject("wait_collect")
        return pull(*arguments, **options)

    grid._try_push_messages, grid.push_messages, grid.pull_messages = slow_try_push, marking_push, slow_pull


def in_model(module):
    evaluate, rounds = module.evaluate, []

    def slowed(*arguments, **options):
        rounds.append(None)
        if len(rounds) > 1:  # the first is the evaluation of the fresh model, before any round
            inject("evaluate_server")
        return evaluate(*arguments, **options)

    module.evaluate = slowed


# SuperLink


def in_fleet_handlers(module):
    push_object = module.push_object

    def slowed(*arguments, **options):
        if not marked("last_object"):
            return push_object(*arguments, **options)
        inject("store")
        result = push_object(*arguments, **options)
        mark("stored")
        return result

    module.push_object = slowed


# SuperNode


def in_supernode(module):
    pull_and_store, push_messages = module._pull_and_store_message, module._push_messages

    def slow_pull(*, receive, pull_object, **others):
        if marked("publishing"):
            wait_for("published")
            inject("wait_downlink")

        def slow_receive():
            received = receive()
            if received is not None:
                inject("ctrl_downlink")
            return received

        slow_object = before_third_call(pull_object, "downlink")
        run_id = pull_and_store(receive=slow_receive, pull_object=slow_object, **others)
        if run_id is not None:
            mark("downloaded")
        return run_id

    def slow_push(*, send, push_object, **others):
        wait_for("staged_out")
        mark("replying")
        inject("wait_uplink")

        def slow_send(*arguments):
            sent = send(*arguments)
            inject("ctrl_uplink")
            return sent

        slow_object = before_third_call(push_object, "uplink", then=lambda: mark("last_object"))
        return push_messages(send=slow_send, push_object=slow_object, **others)

    module._pull_and_store_message, module._push_messages = slow_pull, slow_push


# SuperExec


def in_executor(module):
    launch = module.SubprocessExecutor.launch

    def slowed(self, spec):
        if "clientapp" in str(module.TASK_TYPE_TO_COMMAND[spec.task_type]):
            wait_for("downloaded")
            inject("dispatch")
        return launch(self, spec)

    module.SubprocessExecutor.launch = slowed


# ClientApp


def in_run_clientapp(module):
    make_pull, make_push = module.make_pull_object_fn_protobuf, module.make_push_object_fn_protobuf
    push = module.push_message
    module.make_pull_object_fn_protobuf = lambda *a, **o: before_third_call(make_pull(*a, **o), "stage_in")
    module.make_push_object_fn_protobuf = lambda *a, **o: before_third_call(make_push(*a, **o), "stage_out")
    module.install_from_fab = before(module.install_from_fab, "app_load")
    module.get_object_tree = before(module.get_object_tree, "deflate")

    def marking_push(*arguments, **options):
        push(*arguments, **options)
        mark("staged_out")

    module.push_message = marking_push


def in_client_app(module):
    make_ffn = module.make_ffn

    def make_slow(function, mods):
        @functools.wraps(function)
        def slowed(message, context):
            kind = message.metadata.message_type
            inject("train" if kind == "train" else "validate" if kind.endswith("validation") else "test")
            return function(message, context)

        return make_ffn(slowed, mods)

    module.make_ffn = make_slow


HOOKS = {
    "flwr-serverapp": {
        "flwr.serverapp.strategy.fedavg": in_fedavg,
        "flwr.superlink.grid.http_grid": in_http_grid,
        "flwr.app.message.arrayrecord": lambda module: inflating_slowly(module, "collect"),
        "workloads.mlp": in_model,
    },
    "flower-superlink": {"flwr.superlink.servicer.fleet.fleet_handlers": in_fleet_handlers},
    "flower-supernode": {"flwr.supernode.start_client_internal": in_supernode},
    "flower-superexec": {"flwr.supercore.superexec.executor.subprocess_executor": in_executor},
    "flwr-clientapp": {
        "flwr.supernode.runtime.run_clientapp": in_run_clientapp,
        "flwr.clientapp.client_app": in_client_app,
        "flwr.app.message.arrayrecord": lambda module: inflating_slowly(module, "inflate"),
    },
}


if ROLE in HOOKS and "INJECTION_OUT" in os.environ:
    if ROLE == "flwr-clientapp":
        inject("boot")
    after_import(HOOKS[ROLE])
