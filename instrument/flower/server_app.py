"""Moments inside the ServerApp's process: the strategy's rounds, the Grid's pushes and pulls, the global model."""

from __future__ import annotations

import functools
import hashlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from instrument.flower import sleeps
from instrument.flower.session import guarded, probe
from instrument.flower.spans import SpanFields, outermost
from instrument.records import Dispatch, Model, Reply, Score

_METHODS = {
    "configure_train": ("configure", "train"),
    "configure_evaluate": ("configure", "evaluate"),
    "aggregate_train": ("aggregate", "train"),
    "aggregate_evaluate": ("aggregate", "evaluate"),
}


class _Round:
    """The round that the ServerApp is in; counted from pushes where no Strategy names it."""

    number = 0
    source = "push"


def hook_http_grid(module: ModuleType) -> None:
    """For `http_grid`: pushes, pulls, the pull of each reply, and the sleeps between pulls."""
    sleeps.hook_module_time(module)
    grid = module.HttpGrid
    grid.push_messages = _recording_push(grid.push_messages)
    grid.pull_messages = outermost(grid.pull_messages, "grid_pull", after=_record_replies)
    module.pull_objects = outermost(  # type: ignore[attr-defined]
        module.pull_objects, "collect_pull", before=_pulled_message
    )
    module.inflate_object_from_contents = outermost(  # type: ignore[attr-defined]
        module.inflate_object_from_contents,
        "collect_inflate",
        before=lambda object_id, *_arguments, **_options: {"message_id": object_id},
    )


def _pulled_message(object_ids: list[str], *_arguments: Any, **_options: Any) -> SpanFields:
    return {"message_id": object_ids[-1], "count": len(object_ids)}  # the tree is walked leaves first, root last


def _recording_push(push: Callable[..., Any]) -> Callable[..., Any]:
    def push_listed(grid: Any, messages: Iterable[Any], *arguments: Any, **options: Any) -> Any:
        kept = list(messages or ())
        if kept and _Round.source == "push":
            _Round.number += 1
        timed = outermost(
            push, "grid_push", before=lambda *_, **__: {"round": _Round.number, "count": len(kept), **_kind_of(kept)}
        )
        result = timed(grid, kept, *arguments, **options)
        guarded(_record_dispatches, kept)
        return result

    return functools.wraps(push)(push_listed)


def _kind_of(messages: list[Any]) -> SpanFields:
    return {"message_type": messages[0].metadata.message_type.partition(".")[0]} if messages else {}


def _record_dispatches(messages: list[Any]) -> None:
    for message in messages:
        probe().emit(_dispatched(message, _Round.number, _Round.source, probe().clock.mono_ns()))


def _dispatched(message: Any, number: int, source: str, now_ns: int) -> Callable[[], Dispatch]:
    metadata = message.metadata
    return lambda: Dispatch(
        message_id=metadata.message_id,
        mono_ns=now_ns,
        round=number,
        round_source=source,
        message_type=metadata.message_type,
        node_id=str(metadata.dst_node_id),
        run_id=str(metadata.run_id),
    )


def _record_replies(replies: Any) -> SpanFields:
    now_ns = probe().clock.mono_ns()
    for reply in replies:
        probe().emit(_replied(reply, now_ns))
    return {"count": len(replies)}


def _replied(reply: Any, now_ns: int) -> Callable[[], Reply]:
    metadata = reply.metadata
    error = reply.error if reply.has_error() else None
    return lambda: Reply(
        message_id=metadata.message_id,
        reply_to=metadata.reply_to_message_id,
        mono_ns=now_ns,
        message_type=metadata.message_type,
        node_id=str(metadata.src_node_id),
        error_code=int(error.code) if error is not None else None,
        error_reason=str(error.reason)[:300] if error is not None else None,
    )


def hook_strategy(module: ModuleType) -> None:
    """For `strategy`: every Strategy's methods, a user's subclass included, wherever each is overridden."""
    strategy = module.Strategy
    _wrap_own_methods(strategy)
    own = vars(strategy).get("__init_subclass__")

    def init_subclass(cls: type, /, **options: Any) -> None:
        if own is not None:
            own.__get__(None, cls)(**options)
        else:  # the next class of the subclass's own order, which a mixin may have put there
            super(strategy, cls).__init_subclass__(**options)
        guarded(_wrap_own_methods, cls)

    strategy.__init_subclass__ = classmethod(init_subclass)


def _wrap_own_methods(cls: type) -> None:
    own = vars(cls)
    for method, (span, kind) in _METHODS.items():
        if callable(own.get(method)):
            setattr(cls, method, _recording_method(own[method], span, kind))
    if callable(own.get("start")):
        setattr(cls, "start", _recording_start(own["start"]))  # noqa: B010 mypy refuses the assignment


def _recording_method(method: Callable[..., Any], span: str, kind: str) -> Callable[..., Any]:
    def before(_self: Any, server_round: int, *arguments: Any, **_options: Any) -> SpanFields:
        _Round.number, _Round.source = int(server_round), "strategy"
        counted = {"count": _length(arguments)} if span == "aggregate" else {}
        return {"round": int(server_round), "message_type": kind, **counted}

    def after(result: Any) -> SpanFields:
        if span == "configure":
            return {"count": _length((result,))}
        _record_aggregated(kind, result, _Round.number)
        return {}

    listed = _with_lists(method, span)
    return functools.wraps(method)(outermost(listed, span, before=before, after=after))


def _with_lists(method: Callable[..., Any], span: str) -> Callable[..., Any]:
    """The method with lazy messages made lists, so that making them is inside the interval."""

    def called(self: Any, *arguments: Any, **options: Any) -> Any:
        result = method(self, *arguments, **options)
        return list(result) if span == "configure" and result is not None else result

    return functools.wraps(method)(called)


def _length(arguments: tuple[Any, ...]) -> int | None:
    return len(arguments[0]) if arguments and hasattr(arguments[0], "__len__") else None


def _recording_start(start: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(start)

    def timed(arguments: tuple[Any, ...], options: Mapping[str, Any]) -> inspect.BoundArguments:
        bound = signature.bind(*arguments, **options)
        evaluate = bound.arguments.get("evaluate_fn")
        if evaluate is not None:
            bound.arguments["evaluate_fn"] = _recording_evaluation(evaluate)
        return bound

    def with_timed_evaluation(*arguments: Any, **options: Any) -> Any:
        bound = guarded(timed, arguments, options)
        return start(*arguments, **options) if bound is None else start(*bound.args, **bound.kwargs)

    return functools.wraps(start)(outermost(with_timed_evaluation, "strategy"))


def _recording_evaluation(evaluate: Callable[..., Any]) -> Callable[..., Any]:
    def number_of(server_round: int, *_rest: Any, **_options: Any) -> int:
        return int(server_round)

    def evaluate_and_record(*arguments: Any, **options: Any) -> Any:
        def before(*_arguments: Any, **_options: Any) -> SpanFields:
            return {"round": number_of(*arguments, **options)}

        def after(metrics: Any) -> SpanFields:
            _record_score(number_of(*arguments, **options), "server", metrics)
            return {}

        return outermost(evaluate, "evaluate_server", before=before, after=after)(*arguments, **options)

    return functools.wraps(evaluate)(evaluate_and_record)


def _record_aggregated(kind: str, result: Any, number: int) -> None:
    arrays, metrics = result if isinstance(result, tuple) else (None, result)
    if arrays is not None:
        now_ns = probe().clock.mono_ns()
        probe().emit(lambda: _model(arrays, number, now_ns))
    _record_score(number, kind, metrics)


def _record_score(number: int, source: str, metrics: Any) -> None:
    if metrics is None:
        return
    now_ns = probe().clock.mono_ns()
    numbers = {str(key): float(value) for key, value in metrics.items() if isinstance(value, int | float)}
    finite = {key: value for key, value in numbers.items() if math.isfinite(value)}
    probe().emit(lambda: Score(round=number, mono_ns=now_ns, source=source, metrics=finite))
    for key in numbers.keys() - finite.keys():  # a model that diverged: the round's other numbers are kept
        probe().fault("score", f"round {number}: {source} {key} is {numbers[key]}")


def _model(arrays: Any, number: int, now_ns: int) -> Model:
    """Digest of an ArrayRecord. Runs on the writer's thread; Flower's Array holds immutable bytes."""
    digest, payload_bytes = hashlib.sha256(), 0
    for name, array in arrays.items():
        digest.update(f"{name}|{array.dtype}|{tuple(array.shape)}|".encode())
        digest.update(array.data)
        payload_bytes += len(array.data)
    return Model(
        round=number, mono_ns=now_ns, sha256=digest.hexdigest(), arrays=len(arrays), payload_bytes=payload_bytes
    )
