"""What of a command line and of an environment may be written down: what is known to be harmless. Pure.

The names of options and variables are kept; a value is kept where its name is listed here, and three dots stand
for every other one. What is listed can still be made to carry a secret: accounts in URLs, pairs such as token=VALUE,
and keys in PEM are taken out of it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

HIDDEN = "..."
# of Flower's programs (1.40 to 1.42), the collectors and the interpreter; a flag without a value needs no place here
RECORDED_OPTIONS = frozenset(
    {
        "-m",
        "--capture",
        "--capture-dir",
        "--clock",
        "--collect",
        "--control-api-address",
        "--executor",
        "--fleet-api-address",
        "--fleet-api-type",
        "--host",
        "--interval-ms",
        "--isolation",
        "--log-file",
        "--log-rotation-backup-count",
        "--log-rotation-interval-hours",
        "--max-retries",
        "--max-wait-time",
        "--node-config",
        "--out",
        "--parent-pid",
        "--plugin-type",
        "--port",
        "--root-certificates",
        "--runtime-api-address",
        "--serve-clock",
        "--ssl-ca-certfile",
        "--ssl-certfile",
        "--superlink",
        "--trial",
    }
)
RECORDED_VARIABLES = frozenset(
    {
        "FEDPROBE_CLOCK",
        "FEDPROBE_DISABLE",
        "FEDPROBE_HOST",
        "FEDPROBE_NICE",
        "FEDPROBE_OUT",
        "FEDPROBE_POLLING",
        "FEDPROBE_STATE",
        "FEDPROBE_TESTBED",
        "FEDPROBE_TRIAL",
        "FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION",
        "FLWR_DISABLE_UPDATE_CHECK",
        "FLWR_ENABLE_EVENT_LOG",
        "FLWR_HOME",
        "FLWR_INTERNAL_GRPC_CONTROL_API",
        "FLWR_INTERNAL_GRPC_FLEET_API",
        "FLWR_LOG_LEVEL",
        "FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE",
        "FLWR_PRIVATE_MAX_CONCURRENT_OBJ_PULLS",
        "FLWR_PRIVATE_MAX_CONCURRENT_OBJ_PUSHES",
        "FLWR_SUPEREXEC_TASK_POLL_INTERVAL",
        "FLWR_TELEMETRY_ENABLED",
        "FLWR_TRACING_ENABLED",
    }
)
# numeric libraries': thread counts and kinds of processor
RECORDED_PREFIXES = ("MKL_", "OMP_", "OPENBLAS_")
# of these the records say that they are set, though not always to what
SETTINGS_PREFIXES = ("FLWR_", "FEDPROBE_", *RECORDED_PREFIXES)

_SECRET_NAME = re.compile(r"secret|token|key|passw|pwd|passphrase|credential|auth|database", re.IGNORECASE)
_OPTION = re.compile(r"-[A-Za-z]|--[a-z][a-z0-9-]*")
_PAIR = re.compile(r"""([\w.-]+)(\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s,;]+)""")
_URL_ACCOUNT = re.compile(r"(?<=://)\S*@")
_PEM = re.compile(r"-----BEGIN .*", re.DOTALL)


def recorded_argv(argv: Sequence[str], programs: Collection[str]) -> list[str]:
    """A command line as records hold it: program, names of options, and the values of those in RECORDED_OPTIONS.

    `programs` are the names that may stand in the second and third place, after an interpreter.
    """
    kept: list[str] = []
    option = ""
    for position, word in enumerate(argv):
        name, equals, value = word.partition("=")
        if position == 0 or (position < 3 and PurePosixPath(word).name in programs):
            kept.append(recorded_text(word))
        elif _OPTION.fullmatch(name):
            option = name
            kept.append(f"{name}{equals}{_value(name, value)}" if equals else name)
        else:
            kept.append(_value(option, word))
    return kept


def recorded_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of Flower, fedprobe and numeric libraries in an environment: see recorded_variables."""
    return recorded_variables(
        {name: value for name, value in environment.items() if name.startswith(SETTINGS_PREFIXES)}
    )


def recorded_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """Every name, with its value where it is listed here."""
    return {name: recorded_text(value) if _is_recorded(name) else HIDDEN for name, value in variables.items()}


def recorded_text(text: str) -> str:
    """A text without what is known for a secret by its form: accounts in URLs, NAME=VALUE pairs, keys in PEM."""
    without_accounts = _URL_ACCOUNT.sub(f"{HIDDEN}@", _PEM.sub(HIDDEN, text))
    return _PAIR.sub(_pair, without_accounts)


def _value(option: str, value: str) -> str:
    return recorded_text(value) if option in RECORDED_OPTIONS else HIDDEN


def _is_recorded(name: str) -> bool:
    return name in RECORDED_VARIABLES or (name.startswith(RECORDED_PREFIXES) and not _SECRET_NAME.search(name))


def _pair(found: re.Match[str]) -> str:
    name, between, _ = found.groups()
    return f"{name}{between}{HIDDEN}" if _SECRET_NAME.search(name) else found[0]
