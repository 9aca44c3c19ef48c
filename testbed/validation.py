"""Turns pydantic's findings into sentences: the place, what is wrong, the nearest right name, what to do."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticCustomError

_STATED = "stated"

Place = tuple[int | str, ...]


def dotted(place: Place) -> str:
    """A place in a file: its keys, parted by dots."""
    return ".".join(str(part) for part in place if part != "[key]")


def explained(error: ValidationError, root: type[BaseModel], named: Callable[[Place], str] = dotted) -> str:
    """All findings of one validation, put `together`; what only follows from another is left out.

    `named` says how a place is called.
    """
    findings = error.errors()
    places = [finding["loc"] for finding in findings]
    meant = {_meant(finding["loc"], root) for finding in findings if finding["type"] == "extra_forbidden"}
    first = [
        finding
        for finding in findings
        if not _has_deeper(finding["loc"], places) and not (finding["type"] == "missing" and finding["loc"] in meant)
    ]
    return together([_explained_one(finding, root, named) for finding in first])


def together(sentences: Sequence[str]) -> str:
    """One mistake as it is; several under their number, each on a line of its own."""
    if len(sentences) == 1:
        return sentences[0]
    return "\n  ".join([f"{len(sentences)} mistakes:", *sentences])


def _meant(place: Place, root: type[BaseModel]) -> Place:
    """The place that an unknown key was probably meant for."""
    near = _near(str(place[-1]), _keys_at(place[:-1], root))
    return (*place[:-1], *near)


def _has_deeper(place: Place, places: Sequence[Place]) -> bool:
    return any(len(other) > len(place) and other[: len(place)] == place for other in places)


def stated(sentences: str) -> PydanticCustomError:
    """What a validator raises that says all itself: the place, what is wrong and what to do."""
    return PydanticCustomError(_STATED, "{sentences}", {"sentences": sentences})


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint for a name that is not known: the nearest known one, else all of them."""
    names = list(known)
    return did_you_mean(name, names) or f"Expected one of {', '.join(names)}."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The nearest known name as a question; empty where none is near."""
    near = _near(name, known)
    return f"Did you mean {near[0]}?" if near else ""


def _near(name: str, known: Iterable[str]) -> list[str]:
    return difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)  # 4g is near 5g


def _explained_one(finding: Any, root: type[BaseModel], named: Callable[[Place], str]) -> str:
    place = named(finding["loc"])
    if finding["type"] == _STATED:
        return str(finding["msg"])
    if finding["type"] == "extra_forbidden":
        return f"unknown key {place}. {nearest(str(finding['loc'][-1]), _keys_at(finding['loc'][:-1], root))}"
    if finding["type"] == "missing":
        return f"{place} is missing. Add it."
    if finding["type"] == "literal_error":
        choices = [choice.strip("' ") for choice in finding["ctx"]["expected"].replace(" or ", ", ").split(",")]
        return f"{place} = {finding['input']!r} is not known. {nearest(str(finding['input']), choices)}"
    if finding["type"] == "too_short" and finding["ctx"]["min_length"] == 1:
        return f"{place} = {finding['input']!r} is empty. Name at least one."
    is_name = finding["loc"][-1:] == ("[key]",)
    is_private = "environment" in finding["loc"] or isinstance(finding["input"], dict)
    value = "" if is_private or is_name else f" = {finding['input']!r}"
    message = finding["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return f"{place or 'the file'}{value}: {message[:1].lower()}{message[1:].rstrip('.')}. Correct the file."


def _keys_at(place: Sequence[int | str], root: type[BaseModel]) -> list[str]:
    model = root
    for part in place:
        found = _model_of(model.model_fields[part].annotation) if part in model.model_fields else None
        model = found or model
    return [item.alias or name for name, item in model.model_fields.items()]


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for argument in typing.get_args(annotation):
        found = _model_of(argument)
        if found is not None:
            return found
    return None
