"""Frozen dataclasses with slots whose classes cost little to make: they share their methods.

Every Flower process makes twenty of these classes when it starts, a ClientApp for each message, and most of what
`dataclass` costs is the compiling of methods for each class. So all that is kept of it is the fields: `fields`,
`replace` and pattern matching work as ever. The price is a slower constructor, 1.5 us for a Span, which the
writer's thread pays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, FrozenInstanceError, dataclass, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

Kind = TypeVar("Kind")


@dataclass_transform(frozen_default=True)
def value(kind: type[Kind]) -> type[Kind]:
    """A class of values, given in order or by name."""
    return _with_shared_methods(dataclass(slots=True, init=False, repr=False, eq=False)(kind))


@dataclass_transform(kw_only_default=True, frozen_default=True)
def record(kind: type[Kind]) -> type[Kind]:
    """A class of values that are given by name."""
    return _with_shared_methods(dataclass(slots=True, kw_only=True, init=False, repr=False, eq=False)(kind))


def defaults(kind: type[Any]) -> dict[str, Any]:
    """What each field of such a class holds where it is not given, by name; MISSING where it has to be."""
    kept: Mapping[str, Any] = vars(kind)
    return {**kept["_defaults"], **{name: make() for name, make in kept["_factories"]}}


def _with_shared_methods(kind: type[Kind]) -> type[Kind]:
    items = fields(kind)  # type: ignore[arg-type]
    made = [(item.name, item.default_factory) for item in items if item.default_factory is not MISSING]
    given = {"_defaults": {item.name: item.default for item in items}, "_factories": made}
    for name, attribute in {**_SHARED, **given}.items():
        setattr(kind, name, attribute)
    return kind


def _filled(self: Any, /, *ordered: Any, **given: Any) -> None:
    if ordered:
        given = _named(type(self), ordered, given)
    values = self._defaults | given
    for name, make in self._factories:
        if name not in given:
            values[name] = make()
    if len(values) > len(self._defaults):
        unexpected = ", ".join(sorted(given.keys() - self._defaults.keys()))
        raise TypeError(f"{type(self).__name__} has no field {unexpected}")
    for name, one in values.items():
        if one is MISSING:
            raise TypeError(f"{type(self).__name__} needs {name}")
        object.__setattr__(self, name, one)


def _named(kind: type, ordered: tuple[Any, ...], given: dict[str, Any]) -> dict[str, Any]:
    names: tuple[str, ...] = kind.__match_args__  # type: ignore[attr-defined]
    if len(ordered) > len(names) or given.keys() & set(names[: len(ordered)]):
        raise TypeError(f"{kind.__name__}: more values in order than it takes, or one given twice")
    return {**dict(zip(names, ordered, strict=False)), **given}


def _by_name(self: Any) -> dict[str, Any]:
    return {name: getattr(self, name) for name in self.__slots__}


def _remade(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**values)


def _reduced(self: Any) -> tuple[Any, ...]:
    return _remade, (type(self), _by_name(self))


def _shown(self: Any) -> str:
    return f"{type(self).__name__}({', '.join(f'{name}={one!r}' for name, one in _by_name(self).items())})"


def _equal(self: Any, other: Any) -> bool:
    return type(other) is type(self) and _by_name(other) == _by_name(self)


def _hashed(self: Any) -> int:
    return hash(tuple(_by_name(self).values()))


def _refused(self: Any, name: str, _value: object = None) -> NoReturn:
    raise FrozenInstanceError(f"{type(self).__name__}.{name} is set once, when the value is made")


_SHARED = {
    "__init__": _filled,
    "__repr__": _shown,
    "__eq__": _equal,
    "__hash__": _hashed,
    "__reduce__": _reduced,
    "__setattr__": _refused,
    "__delattr__": _refused,
}
