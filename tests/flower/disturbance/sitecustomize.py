"""Breaks what DISTURBANCE says, in the Flower process that this is: hooks, the probes' insides, Flower's constants.

DISTURBANCE is JSON: {role: {"hooks": [module, ...], "inside": ["module:name", ...], "constants": {module: {name:
value}}}}; the role "*" is everybody. The bootstrap of the probes runs this as the user's own sitecustomize, after it
has installed them. A hook or a piece of `instrument.flower` that is named raises from now on, each time; a file of
its name in DISTURBANCE_REACHED says that it did.
"""

import importlib
import json
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from post_import import after_import

sys.path.pop(0)

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


def setting(values):
    """Sets names of a module before anybody imports them from it."""

    def in_module(module):
        assert values.keys() <= vars(module).keys(), f"{module.__name__} has no {values.keys()}"
        vars(module).update(values)

    return in_module


asked = json.loads(os.environ.get("DISTURBANCE", "{}")) if ROLE else {}
for changes in (asked.get("*", {}), asked.get(ROLE, {})):
    for module in changes.get("hooks", ()):
        break_hook(module)
    for name in changes.get("inside", ()):
        break_inside(name)
    if changes.get("constants"):
        after_import({module: setting(values) for module, values in changes["constants"].items()})
