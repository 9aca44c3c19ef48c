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
from versions import minors

from instrument.flower import importing, install
from instrument.flower.names import PLACES, SUPPORTED, Place, function_of, hooks_for
from instrument.identity import ROLES
from instrument.records import Fault, Hook
from instrument.spool import read_segment, spool_files

IMPORT = """
import importlib, json, sys
from instrument.flower.install import install
install(sys.argv[1])
from instrument.flower.names import hooks_for
for name in hooks_for(sys.argv[1]):
    importlib.import_module(name)
"""

TABLE = [(role, module, place) for role, places in PLACES.items() for module, place in places.items()]
FUNCTIONS = {place.hook: function_of(place) for _, _, place in TABLE}


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
    records = read_segment(file).records
    assert [record for record in records if isinstance(record, Fault)] == []
    told = {record.name: record.found for record in records if isinstance(record, Hook)}
    assert told == dict.fromkeys(PLACES[role], True)


def test_every_name_is_there(repository: Path, tmp_path: Path) -> None:
    modules = sorted({(module, name) for _, module, place in TABLE for name in place.holds})
    code = (
        "import importlib, json, operator, sys\n"
        "print(json.dumps([repr(operator.attrgetter(name)(importlib.import_module(module)))"
        " for module, name in json.loads(sys.argv[1])]))"
    )
    done = python(code, json.dumps(modules), repository=repository, out=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) == len(modules)


def test_each_role_has_its_hooks() -> None:
    assert PLACES.keys() == set(ROLES)
    assert hooks_for("no role") == {}


def test_a_report_reads_the_table_without_the_hooks(repository: Path, tmp_path: Path) -> None:
    code = (
        "import sys, instrument.flower.names; print([n for n in sys.modules if n.startswith('instrument.flower.')])"
    )
    assert python(code, repository=repository, out=tmp_path).stdout.strip() == "['instrument.flower.names']"


@pytest.mark.parametrize(
    ("version", "supported"),
    [("1.39.9", False), ("1.40.0", True), ("1.41.0", True), ("1.42.0rc1", True), ("1.43.0", False), ("2.0", False)],
)
def test_only_the_versions_that_were_checked_are_hooked(version: str, supported: bool) -> None:
    assert install._supported(version) is supported


def test_the_installed_flower_is_one_of_them_and_of_every_requirement(repository: Path) -> None:
    assert install._supported(importlib.metadata.version("flwr"))
    for project in (repository / "pyproject.toml", repository / "fl_app" / "pyproject.toml"):
        assert f'"flwr>={SUPPORTED[0]},<{SUPPORTED[1]}"' in project.read_text()


def test_every_supported_version_has_an_environment_of_its_own() -> None:
    assert minors() == ["1.40", "1.41", "1.42"]


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_name_that_is_gone_raises_in_the_hook_and_nowhere_else(function) -> None:
    with pytest.raises(AttributeError):
        function(ModuleType("emptied_by_a_new_version"))


def test_a_module_that_lacks_one_name_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place("sleeps:hook_module_sleep", ("sleep", "gone"))
    monkeypatch.setitem(PLACES, "a role", {"a_module": place})
    module = SimpleNamespace(sleep=print)
    with pytest.raises(AttributeError, match="gone"):
        hooks_for("a role")["a_module"](module)
    assert module.sleep is print


def test_a_hook_that_fails_is_reported_and_the_module_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hooked_module.py").write_text("value = 23\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    told: list[tuple[str, BaseException | None]] = []
    importing.install({"hooked_module": lambda module: module.gone}, lambda *what: told.append(what))
    module = importlib.import_module("hooked_module")
    monkeypatch.delitem(sys.modules, "hooked_module")
    assert module.value == 23
    ((name, error),) = told
    assert name == "hooked_module"
    assert isinstance(error, AttributeError)


def test_a_hook_that_took_hold_is_reported_and_a_report_that_fails_is_nobodys_trouble(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    told: list[tuple[str, BaseException | None]] = []

    def report(*what) -> None:
        told.append(what)
        raise OSError("a report that fails")

    for name in ("well_hooked", "badly_hooked"):
        (tmp_path / f"{name}.py").write_text("value = 23\n")
    importing.install({"well_hooked": lambda module: None, "badly_hooked": lambda module: module.gone}, report)
    for name in ("well_hooked", "badly_hooked"):
        assert importlib.import_module(name).value == 23
        monkeypatch.delitem(sys.modules, name)
    assert [(name, type(error)) for name, error in told] == [
        ("well_hooked", type(None)),
        ("badly_hooked", AttributeError),
    ]


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
