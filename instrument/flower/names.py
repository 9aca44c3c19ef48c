"""The one table of Flower's private names that the hooks hold on to, checked on the versions in SUPPORTED.

It is data alone, so that a report can read it too: what a missing hook costs is said here. A process records of each
module whether its names were there (a Hook record); a name that is gone is a Fault record besides, and nothing in
that module is touched. `make test-flower-versions` holds the table against every version.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from operator import attrgetter
from types import ModuleType

from instrument.phases import PHASES
from instrument.values import value

SUPPORTED = ("1.40", "1.43")

Hook = Callable[[ModuleType], None]


@value
class Place:
    """One module that is hooked: by which function of this package, by which of its names, for which phases.

    Without the hook those phases cannot be built. A hook without phases makes others more exact, or tells what they
    consist of.
    """

    hook: str
    holds: tuple[str, ...]
    phases: tuple[str, ...] = ()


def _client(*phases: str) -> Mapping[str, Place]:
    """Every process asks for things; what its requests tell depends on who it is."""
    place = Place("rpc:hook_protobuf_client", ("ProtobufClient.__init__",), phases)
    return {"flwr.supercore.protobuf.client": place}


# every module here is imported with its role's entry point: one that is not has lost its name
PLACES: Mapping[str, Mapping[str, Place]] = {
    "flower-superlink": {
        **_client(),
        "uvicorn.config": Place("serve:hook_uvicorn_config", ("Config.__init__",), ("store", "wait_collect")),
    },
    "flower-supernode": {
        **_client(
            *("wait_downlink", "ctrl_downlink", "downlink", "dispatch", "boot", "stage_in", "inflate", "app_load"),
            *("train", "test", "validate", "deflate", "stage_out"),
            *("wait_uplink", "ctrl_uplink", "uplink", "store", "wait_collect"),
        ),
        "uvicorn.config": Place("serve:hook_uvicorn_config", ("Config.__init__",)),
        "flwr.supernode.start_client_internal": Place("sleeps:hook_module_time", ("time.sleep",)),
        "flwr.supercore.inflatable.inflatable_utils": Place("sleeps:hook_back_off", ("threading.Event",)),
    },
    "flower-superexec": {
        **_client(),
        "flwr.supercore.superexec.run_superexec": Place("sleeps:hook_module_time", ("time.sleep",)),
        "flwr.supercore.superexec.executor.subprocess_executor": Place(
            "superexec:hook_subprocess_executor", ("subprocess.Popen",)
        ),
    },
    "flwr-serverapp": {
        **_client(),
        "flwr.superlink.grid.http_grid": Place(
            "server_app:hook_http_grid",
            (
                "time.sleep",
                "HttpGrid.push_messages",
                "HttpGrid.pull_messages",
                "pull_objects",
                "inflate_object_from_contents",
            ),
            tuple(PHASES),  # which messages there were is only known from here
        ),
        "flwr.serverapp.strategy.strategy": Place(
            "server_app:hook_strategy",
            (
                "Strategy.start",
                "Strategy.configure_train",
                "Strategy.aggregate_train",
                "Strategy.configure_evaluate",
                "Strategy.aggregate_evaluate",
            ),
            ("configure", "aggregate", "evaluate_server"),
        ),
        "flwr.serverapp.strategy.strategy_utils": Place("sleeps:hook_module_sleep", ("sleep",)),
        "flwr.supercore.inflatable.inflatable_utils": Place("sleeps:hook_back_off", ("threading.Event",)),
    },
    "flwr-clientapp": {
        **_client("boot", "stage_in", "inflate", "deflate", "stage_out", "wait_uplink"),
        "flwr.clientapp.client_app": Place(
            "client_app:hook_client_app",
            ("ClientApp.__call__", "make_ffn"),
            ("app_load", "train", "test", "validate", "deflate"),
        ),
        "flwr.supernode.runtime.run_clientapp": Place(
            "client_app:hook_run_clientapp", ("pull_task_input", "install_from_fab", "push_message"), ("app_load",)
        ),
        "flwr.supercore.inflatable.inflatable_utils": Place(
            "client_app:hook_inflatable",
            ("threading.Event", "inflate_object_from_contents"),
            ("stage_in", "inflate"),
        ),
    },
    "flwr-simulation": {
        **_client(),
        "flwr.clientapp.client_app": Place("client_app:hook_client_app", ("ClientApp.__call__", "make_ffn")),
        "flwr.serverapp.strategy.strategy": Place("server_app:hook_strategy", ("Strategy.start",)),
    },
}


def hooks_for(role: str) -> dict[str, Hook]:
    """The hooks of one role, by the module they wait for."""
    return {module: _checked(place) for module, place in PLACES.get(role, {}).items()}


def _checked(place: Place) -> Hook:
    """The hook, which first looks for all that it holds on to: a module is hooked whole or left as it is."""

    def hook(module: ModuleType) -> None:
        attrgetter(*place.holds)(module)
        function_of(place)(module)

    return hook


def function_of(place: Place) -> Hook:
    """The function that hooks a place."""
    name, _, function = place.hook.partition(":")
    found: Hook = getattr(import_module(f"instrument.flower.{name}"), function)
    return found
