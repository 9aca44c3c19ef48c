"""Breaks what DISTURBANCE says, in the Flower process that this is: hooks, the probes' insides, Flower's constants.

DISTURBANCE is JSON: {role: {"hooks": [module, ...], "inside": ["module:name", ...], "constants": {module: {name:
value}}}}; the role "*" is everybody. The bootstrap of the probes runs this as the user's own sitecustomize, after it
has installed them. A hook or a piece of `instrument.flower` that is named raises from now on, each time; a file of
its name in DISTURBANCE_REACHED says that it did.
"""

import importlib
import importlib.abc
import json
import os
import sys
from pathlib import Path

ROLE = next((Path(word).name for word in sys.orig_argv[:3] if Path(word).name.startswith(("flwr-", "flower-"))), "")
REACHED = os.environ.get("DISTURBANCE_REACHED")


def raising(name):
    def made_to_raise(*_arguments, **_options):
        if REACHED:
            Path(REACHED, f"{ROLE} {name}").touch()
        raise RuntimeError(f"made to raise: {name}")

    made_to_raise.__qualname__ = name
    return made_to_raise


def break_hook(module):
    (finder,) = (finder for finder in sys.meta_path if type(finder).__name__ == "HookFinder")
    assert module in finder._hooks, f"{ROLE} has no hook in {module}"
    finder._hooks[module] = raising(module)


def break_inside(name):
    module, _, path = name.partition(":")
    *owners, last = path.split(".")
    owner = importlib.import_module(f"instrument.flower.{module}")
    for part in owners:
        owner = getattr(owner, part)
    assert hasattr(owner, last), name
    setattr(owner, last, raising(name))


class Constants(importlib.abc.MetaPathFinder):
    """Sets names of a module right after its execution, before anybody imports them from it."""

    def __init__(self, constants):
        self._constants = constants

    def find_spec(self, name, path, target=None):
        values = self._constants.get(name)
        if values is None:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                assert values.keys() <= vars(module).keys(), f"{name} has no {values.keys()}"
                vars(module).update(values)

            spec.loader.exec_module = exec_module
        return spec


asked = json.loads(os.environ.get("DISTURBANCE", "{}")) if ROLE else {}
for changes in (asked.get("*", {}), asked.get(ROLE, {})):
    for module in changes.get("hooks", ()):
        break_hook(module)
    for name in changes.get("inside", ()):
        break_inside(name)
    if changes.get("constants"):
        sys.meta_path.insert(0, Constants(changes["constants"]))
