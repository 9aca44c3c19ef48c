"""Post-import hooks: run a function on a module right after it has been executed, before its importer sees it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

Hook = Callable[[ModuleType], None]


class HookFinder(MetaPathFinder):
    """Finds hooked modules as Python would and wraps their loaders. A hook that raises is reported, not raised."""

    def __init__(self, hooks: Mapping[str, Hook], report: Callable[[str, BaseException], None]) -> None:
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
            self._report(fullname, error)
        return spec

    def _wrap(self, loader: Loader, name: str, hook: Hook) -> None:
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            try:
                hook(module)
            except Exception as error:  # the app goes on unmeasured at this place, and the record says so
                self._report(name, error)

        loader.exec_module = exec_module  # type: ignore[method-assign]


def install(hooks: Mapping[str, Hook], report: Callable[[str, BaseException], None]) -> None:
    """Hook modules that are imported from now on; those already imported are hooked at once."""
    waiting: dict[str, Hook] = {}
    for name, hook in hooks.items():
        if name in sys.modules:
            try:
                hook(sys.modules[name])
            except Exception as error:
                report(name, error)
        else:
            waiting[name] = hook
    sys.meta_path.insert(0, HookFinder(waiting, report))
