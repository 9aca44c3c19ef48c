"""The private names of Flower that the hooks hold on to exist in the Flower that is installed."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from instrument.flower import client_app, importing, install, rpc, serve, server_app, sleeps, superexec
from instrument.flower.names import BY_ROLE, EVERYWHERE, SUPPORTED, hooks_for
from instrument.identity import ROLES
from instrument.records import Fault
from instrument.spool import read_segment, spool_files

IMPORT = """
import importlib, json, sys
from instrument.flower.install import install
install(sys.argv[1])
from instrument.flower.names import hooks_for
for name in hooks_for(sys.argv[1]):
    importlib.import_module(name)
"""

# what each hook takes hold of in its module
HELD = {
    rpc.hook_protobuf_client: ["ProtobufClient.__init__"],
    serve.hook_uvicorn_config: ["Config.__init__"],
    sleeps.hook_module_time: ["time"],
    sleeps.hook_module_sleep: ["sleep"],
    sleeps.hook_back_off: ["threading"],
    superexec.hook_subprocess_executor: ["subprocess"],
    server_app.hook_http_grid: [
        "time",
        "HttpGrid.push_messages",
        "HttpGrid.pull_messages",
        "pull_objects",
        "inflate_object_from_contents",
    ],
    server_app.hook_strategy: [
        "Strategy.start",
        "Strategy.configure_train",
        "Strategy.aggregate_train",
        "Strategy.configure_evaluate",
        "Strategy.aggregate_evaluate",
    ],
    client_app.hook_client_app: ["ClientApp.__call__", "make_ffn"],
    client_app.hook_run_clientapp: ["pull_task_input", "install_from_fab", "push_message"],
    client_app.hook_inflatable: ["threading", "inflate_object_from_contents"],
}
TABLE = [(role, module, hook) for role, hooks in BY_ROLE.items() for module, hook in {**EVERYWHERE, **hooks}.items()]


def python(code: str, *arguments: str, repository: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(repository), "FEDPROBE_OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("role", ROLES)
def test_every_hook_of_a_role_takes_hold(role: str, repository: Path, tmp_path: Path) -> None:
    done = python(IMPORT, role, repository=repository, out=tmp_path)
    assert done.returncode == 0, done.stderr
    (file,) = spool_files(tmp_path)
    assert [record for record in read_segment(file).records if isinstance(record, Fault)] == []


def test_every_name_is_there(repository: Path, tmp_path: Path) -> None:
    modules = sorted({(module, attribute) for _, module, hook in TABLE for attribute in HELD[hook]})
    code = (
        "import importlib, json, operator, sys\n"
        "print(json.dumps([repr(operator.attrgetter(name)(importlib.import_module(module)))"
        " for module, name in json.loads(sys.argv[1])]))"
    )
    done = python(code, json.dumps(modules), repository=repository, out=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(modules)


def test_every_hook_is_in_the_list_of_what_it_holds() -> None:
    assert {hook for _, _, hook in TABLE} == HELD.keys()


def test_each_role_has_its_hooks() -> None:
    assert BY_ROLE.keys() == set(ROLES)
    assert hooks_for("no role") == dict(EVERYWHERE)


@pytest.mark.parametrize(
    ("version", "supported"),
    [("1.39.9", False), ("1.40.0", True), ("1.41.0", True), ("1.42.0rc1", True), ("1.43.0", False), ("2.0", False)],
)
def test_only_the_versions_that_were_checked_are_hooked(version: str, supported: bool) -> None:
    assert install._supported(version) is supported


def test_the_installed_flower_is_one_of_them_and_of_the_packages_requirement() -> None:
    assert install._supported(importlib.metadata.version("flwr"))
    assert SUPPORTED == ("1.40", "1.43")  # pyproject.toml: flwr>=1.40,<1.43


@pytest.mark.parametrize("hook", HELD, ids=lambda hook: hook.__name__)
def test_a_name_that_is_gone_raises_in_the_hook_and_nowhere_else(hook) -> None:
    with pytest.raises(AttributeError):
        hook(ModuleType("emptied_by_a_new_version"))


def test_a_hook_that_fails_is_reported_and_the_module_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooked_module.py").write_text("value = 23\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    told: list[tuple[str, BaseException]] = []
    importing.install({"hooked_module": lambda module: module.gone}, lambda *what: told.append(what))
    module = importlib.import_module("hooked_module")
    monkeypatch.delitem(sys.modules, "hooked_module")
    assert module.value == 23
    ((name, error),) = told
    assert name == "hooked_module"
    assert isinstance(error, AttributeError)


def test_looking_for_a_module_does_not_spend_its_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "looked_for.py").write_text("value = 23\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    importing.install({"looked_for": lambda module: setattr(module, "value", 29)}, lambda *_: None)
    assert importlib.util.find_spec("looked_for") is not None
    module = importlib.import_module("looked_for")
    assert module.value == 29
    assert importlib.reload(module).value == 29
    monkeypatch.delitem(sys.modules, "looked_for")


def test_an_error_of_the_modules_own_passes_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_module.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    importing.install({"broken_module": lambda module: None}, lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        importlib.import_module("broken_module")


def test_a_module_that_is_imported_already_is_hooked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setitem(sys.modules, "already_there", SimpleNamespace(value=23))
    importing.install({"already_there": lambda module: setattr(module, "value", 29)}, lambda *_: None)
    assert sys.modules["already_there"].value == 29
