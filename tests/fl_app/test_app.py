"""The whole app in one process: the same settings give the same bytes, and it learns."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from flwr.app import Array, ArrayRecord, ConfigRecord, Context, Message, RecordDict
from flwr.common.constant import FAB_INCLUDE_PATTERNS

import fl_app
from fl_app.workloads import client_app, digits, mlp, server_app
from fl_app.workloads.partition import PartitionError
from fl_app.workloads.settings import SettingError, node_partition, settings
from fl_app.workloads.stopping import EarlyStop, Patience
from fl_app.workloads.strategy import OrderedFedAvg
from testbed.loopback import Loopback

FOLDER = Path(fl_app.__file__).parent
PROJECT = tomllib.loads((FOLDER / "pyproject.toml").read_text(encoding="utf-8"))
DEFAULTS = PROJECT["tool"]["flwr"]["app"]["config"]


@dataclass(frozen=True)
class Course:
    """What a federation in this process came to, round by round."""

    accuracies: list[float]
    fingerprints: list[str]


def message(arrays: dict[str, mlp.Floats], *, server_round: int, kind: str = "train") -> Message:
    content = RecordDict(
        {
            "arrays": ArrayRecord({name: Array(part) for name, part in arrays.items()}),
            "config": ConfigRecord({"server-round": server_round}),
        }
    )
    return Message(content, dst_node_id=7, message_type=kind)


def context(partition: int, count: int, **overrides: bool | float | int | str) -> Context:
    node = {"partition-id": partition, "num-partitions": count}
    return Context(1, 7, node, RecordDict(), {**DEFAULTS, **overrides})


def federation(*, rounds: int = 2, backwards: bool = False, **overrides: bool | float | int | str) -> Course:
    """Four clients through their own train function, averaged by the app's own strategy."""
    chosen = settings({**DEFAULTS, **overrides})
    never = EarlyStop(target_accuracy=0, patience=Patience(rounds=0, min_delta=0))
    strategy = OrderedFedAvg(clients=4, fraction_evaluate=0.0, validate=False, early_stop=never)
    test = digits.split(digits.load(), seed=chosen.seed).test
    arrays = mlp.to_arrays(mlp.initial(seed=chosen.seed), chosen.layout)
    course = Course([], [])
    for server_round in range(1, rounds + 1):
        replies = [
            client_app.train(message(arrays, server_round=server_round), context(index, 4, **overrides))
            for index in (range(3, -1, -1) if backwards else range(4))
        ]
        averaged, _ = strategy.aggregate_train(server_round, replies)
        assert averaged is not None
        arrays = {name: array.numpy() for name, array in averaged.items()}
        course.accuracies.append(mlp.evaluate(mlp.from_arrays(arrays), test).accuracy)
        course.fingerprints.append(server_app.fingerprint(arrays))
    return course


def test_five_rounds_with_the_defaults_reach_the_accuracy_promised() -> None:
    assert federation(rounds=DEFAULTS["num-server-rounds"]).accuracies[-1] >= 0.8


def test_the_same_settings_give_the_same_bytes_in_any_order() -> None:
    once = federation()
    assert federation().fingerprints == once.fingerprints
    assert federation(backwards=True).fingerprints == once.fingerprints


def test_another_seed_gives_other_bytes() -> None:
    assert federation(rounds=1, seed=1).fingerprints != federation(rounds=1, seed=2).fingerprints


def test_both_layouts_train_the_same_model() -> None:
    assert federation(layout="native").accuracies == federation(layout="flat").accuracies


def test_a_reply_carries_the_model_the_samples_and_the_loss() -> None:
    arrays = mlp.to_arrays(mlp.initial(seed=1234), "flat")
    reply = client_app.train(message(arrays, server_round=1), context(2, 4))
    assert list(reply.content["arrays"]) == ["model"]
    assert reply.content["arrays"]["model"].numpy().nbytes == 2_910_040
    metrics = reply.content["metrics"]
    assert metrics["num-examples"] == 250
    assert metrics["partition-id"] == 2
    assert 0 < metrics["train-loss"] < 3


@pytest.mark.parametrize(("ask", "total"), [(client_app.test, 359), (client_app.validate, 179)])
def test_the_clients_together_evaluate_each_sample_of_a_split_once(ask: object, total: int) -> None:
    assert callable(ask)
    arrays = mlp.to_arrays(mlp.initial(seed=1234), "flat")
    replies = [ask(message(arrays, server_round=1, kind="evaluate"), context(p, 4)) for p in range(4)]
    assert sum(reply.content["metrics"]["num-examples"] for reply in replies) == total


@pytest.mark.parametrize(
    "wrong",
    [
        {"layout": "columns"},
        {"num-clients": 0},
        {"fraction-evaluate": 1.5},
        {"batch-size": 0},
        {"seed": -1},
        {"target-accuracy": 1.01},
        {"target-accuracy": -0.1},
        {"patience": -1},
        {"workload": "payload", "target-accuracy": 0.9},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, int | float | str]) -> None:
    with pytest.raises(SettingError):
        settings({**DEFAULTS, **wrong})


def test_a_node_without_a_partition_is_told_how_to_get_one() -> None:
    with pytest.raises(PartitionError, match="--node-config"):
        node_partition({})


def test_the_app_bundle_carries_all_its_files() -> None:
    kept = {pattern.removeprefix("**/*") for pattern in FAB_INCLUDE_PATTERNS}
    files = [path for path in FOLDER.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} <= kept


def test_the_app_knows_nothing_of_the_packages_around_it() -> None:
    ours = {"instrument", "testbed", "collectors", "analysis", "fl_app"}
    for path in FOLDER.rglob("*.py"):
        imported = set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
        assert imported.isdisjoint(ours), path
        assert imported <= {"flwr", "numpy", *sys.stdlib_module_names}, path


def _imports(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]


def test_the_limit_reaches_a_library_that_is_loaded_already() -> None:
    program = (
        "import ctypes, numpy\n"
        "from fl_app.workloads import threads\n"
        "libraries = threads._loaded_openblas()\n"
        "names = [name.replace('set', 'get') for name in threads.SETTERS]\n"
        "ask = [getattr(lib, name) for lib in libraries for name in names if hasattr(lib, name)]\n"
        "before = [get() for get in ask]\n"
        "threads.limit(1)\n"
        "print(len(ask), before, [get() for get in ask])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "2", "PYTHONPATH": str(FOLDER.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    count, before, after = done.stdout.replace("[", "").replace("]", "").split()
    assert count == "1", "numpy computes with another library than OpenBLAS, which nothing limits: threads.SETTERS"
    assert (before.rstrip(","), after) in {("2", "1"), ("1", "1")}


@pytest.mark.flower
@pytest.mark.long  # with the probes around it the same run is tests/flower's, always
def test_the_app_runs_on_a_real_deployment_and_leaves_no_process(tmp_path: Path) -> None:
    overrides = {"num-server-rounds": 2, "num-clients": 2, "fraction-evaluate": 1.0}
    with Loopback(2, tmp_path) as deployment:
        status = deployment.run(FOLDER, overrides, timeout_s=300)
    assert status.status == "finished:completed"
    log = (deployment.logs / f"run-{status.run_id}.log").read_text(encoding="utf-8")
    assert log.count("global_model round=") == 3
    assert log.count("Received 2 results and 0 failures") == 2 * 3  # train, test and validation
    assert "'validation-accuracy'" in log
    assert not list(_processes_of(tmp_path))


def _processes_of(folder: Path) -> Iterable[psutil.Process]:
    """Those whose Flower home is in the folder."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("FLWR_HOME", "").startswith(str(folder)):
                yield process
