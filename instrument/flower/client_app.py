"""Moments inside the ClientApp's process: its task, its arrays, its app's function, its reply."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from instrument.flower import sleeps
from instrument.flower.spans import SpanFields, message_fields, outermost
from instrument.identity import run_queue_wait_ns


def _waiting(
    function: Callable[..., Any],
    name: str,
    *,
    before: Callable[..., SpanFields] | None = None,
    after: Callable[[Any], SpanFields] | None = None,
) -> Callable[..., Any]:
    """As `outermost`, with how long this process had waited for a core, read outside of the interval.

    A ClientApp makes seven spans in its life, so it can afford to ask, at 5 us each time; servers are not asked.
    """

    def before_it(*arguments: Any, **options: Any) -> SpanFields:
        known = {} if before is None else before(*arguments, **options)
        return {**known, "wait_before_ns": run_queue_wait_ns()}

    def after_it(result: Any) -> SpanFields:
        waited_ns = run_queue_wait_ns()
        return {**({} if after is None else after(result)), "wait_after_ns": waited_ns}

    return outermost(function, name, before=before_it, after=after_it)


def hook_client_app(module: ModuleType) -> None:
    """For `flwr.clientapp.client_app`: the call of the app, and the app's own function behind all mods."""
    module.ClientApp.__call__ = _waiting(
        module.ClientApp.__call__, "client_app", before=lambda _self, message, context: message_fields(message)
    )
    make_ffn = module.make_ffn

    @functools.wraps(make_ffn)
    def make_recorded_ffn(function: Any, *arguments: Any, **options: Any) -> Any:
        recorded = _waiting(
            function, "app_function", before=lambda message, *_arguments, **_options: message_fields(message)
        )
        return make_ffn(recorded, *arguments, **options)

    module.make_ffn = make_recorded_ffn  # type: ignore[attr-defined]


def hook_run_clientapp(module: ModuleType) -> None:
    """For `run_clientapp`: the task's input, the app's installation, the reply's way out."""
    module.pull_task_input = _waiting(  # type: ignore[attr-defined]
        module.pull_task_input, "task_input", after=lambda result: message_fields(result[0])
    )
    module.install_from_fab = _waiting(module.install_from_fab, "install")  # type: ignore[attr-defined]
    module.push_message = _waiting(  # type: ignore[attr-defined]
        module.push_message, "push_message", before=lambda _client, message, _context: _reply_fields(message)
    )


def hook_inflatable(module: ModuleType) -> None:
    """For `inflatable_utils` in the ClientApp: the back-off of its pulls, and objects to arrays."""
    sleeps.hook_back_off(module)
    module.inflate_object_from_contents = _waiting(  # type: ignore[attr-defined]
        module.inflate_object_from_contents, "inflate"
    )


def _reply_fields(message: Any) -> dict[str, str | int | None]:
    metadata = message.metadata
    return {"message_id": metadata.reply_to_message_id or None, "message_type": metadata.message_type}
