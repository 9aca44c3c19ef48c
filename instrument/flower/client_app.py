"""Moments inside the ClientApp's process: its task, its arrays, its app's function, its reply."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any

from instrument.flower import sleeps
from instrument.flower.spans import message_fields, outermost


def hook_client_app(module: ModuleType) -> None:
    """For `flwr.clientapp.client_app`: the call of the app, and the app's own function behind all mods."""
    module.ClientApp.__call__ = outermost(
        module.ClientApp.__call__, "client_app", before=lambda _self, message, context: message_fields(message)
    )
    make_ffn = module.make_ffn

    @functools.wraps(make_ffn)
    def make_recorded_ffn(function: Any, mods: Any) -> Any:
        recorded = outermost(
            function, "app_function", before=lambda message, *_arguments, **_options: message_fields(message)
        )
        return make_ffn(recorded, mods)

    module.make_ffn = make_recorded_ffn  # type: ignore[attr-defined]


def hook_run_clientapp(module: ModuleType) -> None:
    """For `run_clientapp`: the task's input, the app's installation, the reply's way out."""
    module.pull_task_input = outermost(  # type: ignore[attr-defined]
        module.pull_task_input, "task_input", after=lambda result: message_fields(result[0])
    )
    module.install_from_fab = outermost(module.install_from_fab, "install")  # type: ignore[attr-defined]
    module.push_message = outermost(  # type: ignore[attr-defined]
        module.push_message, "push_message", before=lambda _client, message, _context: _reply_fields(message)
    )


def hook_inflatable(module: ModuleType) -> None:
    """For `inflatable_utils` in the ClientApp: the back-off of its pulls, and objects to arrays."""
    sleeps.hook_back_off(module)
    module.inflate_object_from_contents = outermost(  # type: ignore[attr-defined]
        module.inflate_object_from_contents, "inflate"
    )


def _reply_fields(message: Any) -> dict[str, str | int | None]:
    metadata = message.metadata
    return {"message_id": metadata.reply_to_message_id or None, "message_type": metadata.message_type}
