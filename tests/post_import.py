"""Hooks on modules of Flower's, for the `sitecustomize` files by which tests and benchmarks reach into its processes.

They are not the probes' own hooks (`instrument.flower.importing`), which they wrap or are wrapped by.
"""

import importlib.abc
import sys


class Finder(importlib.abc.MetaPathFinder):
    """Runs a hook after a module's execution, whoever else has wrapped its loader."""

    def __init__(self, hooks):
        self._hooks = hooks

    def find_spec(self, name, path, target=None):
        hook = self._hooks.get(name)
        if hook is None:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module):
                execute(module)
                hook(module)

            spec.loader.exec_module = exec_module
        return spec


def after_import(hooks):
    """Run each hook on its module, by name, when that will have been executed; nobody has imported from it yet."""
    sys.meta_path.insert(0, Finder(hooks))
