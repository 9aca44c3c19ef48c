"""How one value of Flower's run configuration is read: checked, typed, or refused with a way out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypeAlias, TypeVar

Configuration: TypeAlias = Mapping[str, bool | bytes | float | int | str]
"""Flower's run or node configuration; its keys and defaults are in this app's pyproject.toml."""

Choice = TypeVar("Choice", bound=str)


class SettingError(Exception):
    """A value of the run configuration cannot be used."""


def choice(configuration: Configuration, key: str, choices: Sequence[Choice]) -> Choice:
    """The value of a key that takes one of a few words. Raises SettingError for any other."""
    for known in choices:
        if configuration[key] == known:
            return known
    raise SettingError(
        f"{key}={configuration[key]!r}: there are {' and '.join(choices)}. Correct the run configuration."
    )


def whole_numbers(configuration: Configuration, key: str, *, lowest: int) -> tuple[int, ...]:
    """The values of a key that takes one whole number, or several as a text with commas between them.

    Raises: SettingError where one is no whole number, lies below `lowest`, or stands there twice.
    """
    text = str(configuration[key])
    try:
        values = tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingError(
            f'{key}={text!r}: takes a whole number, or several with commas between them, such as "1,8,32". '
            "Correct the run configuration."
        ) from error
    for value in values:
        if value < lowest:
            raise SettingError(f"{key}={value}: must be {lowest} or more. Correct the run configuration.")
        if values.count(value) > 1:
            raise SettingError(
                f"{key}={text!r}: names {value} twice. Name it once; rounds beyond the grid repeat it."
            )
    return values


def seconds(configuration: Configuration, key: str) -> float:
    """The value of a key in seconds, 0 or more. Raises SettingError for anything else."""
    try:
        value = float(configuration[key])
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise SettingError(f"{key}={configuration[key]!r}: takes seconds, 0 or more. Correct the run configuration.")
    return value
