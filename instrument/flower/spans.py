"""Wrapping a function so that each outermost call of it is recorded as a Span."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping
from typing import Any

from instrument.flower.session import probe
from instrument.probe import Timed

SpanFields = Mapping[str, str | int | None]
_depth = threading.local()


def outermost(
    function: Callable[..., Any],
    name: str,
    *,
    before: Callable[..., SpanFields] | None = None,
    after: Callable[[Any], SpanFields] | None = None,
) -> Callable[..., Any]:
    """`function`, recorded: arguments, result and exceptions pass through unchanged.

    Nested calls (recursion, `super()`) are part of the outermost one. `before` is given the call's arguments,
    `after` its result; both return fields for the Span, and what they raise is recorded as a fault.
    """

    @functools.wraps(function)
    def recorded(*arguments: Any, **options: Any) -> Any:
        return _call(function, arguments, options, name=name, before=before, after=after)

    return recorded


def _call(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: Mapping[str, Any],
    *,
    name: str,
    before: Callable[..., SpanFields] | None,
    after: Callable[[Any], SpanFields] | None,
) -> Any:
    """One call. Apart from `recorded`, which Ray may pickle: that must carry no state of this process."""
    if getattr(_depth, name, False):
        return function(*arguments, **options)
    setattr(_depth, name, True)
    known = _fields(name, before, *arguments, **options)
    try:
        with Timed(probe(), name, **known) as span:
            result = function(*arguments, **options)
            span.stop()
            span.set(**_fields(name, after, result))
            return result
    finally:
        setattr(_depth, name, False)


def _fields(name: str, fields: Callable[..., SpanFields] | None, /, *arguments: Any, **options: Any) -> SpanFields:
    if fields is None:
        return {}
    try:
        return dict(fields(*arguments, **options))
    except Exception as error:  # a field that cannot be read is not worth the app's round
        probe().fault(f"span {name}", error)
        return {}


def message_fields(message: Any) -> SpanFields:
    """What a Span says of a Flower message."""
    metadata = message.metadata
    return {
        "message_id": metadata.message_id or None,
        "message_type": metadata.message_type,
        "run_id": str(metadata.run_id),
    }
