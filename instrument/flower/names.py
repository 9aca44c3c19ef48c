"""The one table of Flower's private names that the hooks hold on to, checked on the versions in SUPPORTED.

A module whose name is gone is never imported, and its records are then missing; a name that is gone inside a
module is a Fault record. `tests/flower/test_names.py` says which, for the Flower that is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType

from instrument.flower import client_app, rpc, serve, server_app, sleeps, superexec

SUPPORTED = ("1.40", "1.43")

Hook = Callable[[ModuleType], None]

EVERYWHERE: Mapping[str, Hook] = {"flwr.supercore.protobuf.client": rpc.hook_protobuf_client}
BY_ROLE: Mapping[str, Mapping[str, Hook]] = {
    "flower-superlink": {"uvicorn.config": serve.hook_uvicorn_config},
    "flower-supernode": {
        "uvicorn.config": serve.hook_uvicorn_config,
        "flwr.supernode.start_client_internal": sleeps.hook_module_time,
        "flwr.supercore.inflatable.inflatable_utils": sleeps.hook_back_off,
    },
    "flower-superexec": {
        "flwr.supercore.superexec.run_superexec": sleeps.hook_module_time,
        "flwr.supercore.superexec.executor.subprocess_executor": superexec.hook_subprocess_executor,
    },
    "flwr-serverapp": {
        "flwr.superlink.grid.http_grid": server_app.hook_http_grid,
        "flwr.serverapp.strategy.strategy": server_app.hook_strategy,
        "flwr.serverapp.strategy.strategy_utils": sleeps.hook_module_sleep,
        "flwr.supercore.inflatable.inflatable_utils": sleeps.hook_back_off,
    },
    "flwr-clientapp": {
        "flwr.clientapp.client_app": client_app.hook_client_app,
        "flwr.supernode.runtime.run_clientapp": client_app.hook_run_clientapp,
        "flwr.supercore.inflatable.inflatable_utils": client_app.hook_inflatable,
    },
    "flwr-simulation": {
        "flwr.clientapp.client_app": client_app.hook_client_app,
        "flwr.serverapp.strategy.strategy": server_app.hook_strategy,
    },
}


def hooks_for(role: str) -> dict[str, Hook]:
    """The hooks of one role, by the module they wait for."""
    return {**EVERYWHERE, **BY_ROLE.get(role, {})}
