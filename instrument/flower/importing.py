"""Post-import hooks: run a function on a module right after it has been executed, before its importer sees it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

Hook = Callable[[ModuleType], None]
# told of each hooked module by name: None, or what its hook raised
Report = Callable[[str, BaseException | None], None]


class HookFinder(MetaPathFinder):
    """Finds hooked modules as Python would and wraps their loaders. A hook that raises is reported, not raised."""

    def __init__(self, hooks: Mapping[str, Hook], report: Report) -> None:
        self._hooks = dict(hooks)
        self._report = report

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's own spec with the hook behind its execution; None for modules without a hook."""
        hook = self._hooks.get(fullname)
        if hook is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is None or spec.loader is None:
            return None
        try:
            self._wrap(spec.loader, fullname, hook)
        except Exception as error:  # a loader that cannot be wrapped still loads its module
            _tell(self._report, fullname, error)
        return spec

    def _wrap(self, loader: Loader, name: str, hook: Hook) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            run_hook(hook, module, name, self._report)

        loader.exec_module = exec_module  # type: ignore[method-assign]


def run_hook(hook: Hook, module: ModuleType, name: str, report: Report) -> None:
    """Hook the module and report how it went; the app goes on unmeasured at a place whose hook raises."""
    try:
        hook(module)
    except Exception as error:
        _tell(report, name, error)
    else:
        _tell(report, name, None)


def _tell(report: Report, name: str, error: Exception | None) -> None:
    with suppress(Exception):  # inside an import of the app's own
        report(name, error)


def install(hooks: Mapping[str, Hook], report: Report) -> None:
    """Hook modules that are imported from now on; those already imported are hooked at once."""
    waiting: dict[str, Hook] = {}
    for name, hook in hooks.items():
        if name in sys.modules:
            run_hook(hook, sys.modules[name], name, report)
        else:
            waiting[name] = hook
    sys.meta_path.insert(0, HookFinder(waiting, report))
