"""The cheap classes of values behave as frozen dataclasses with slots do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from dataclasses import dataclass, field
from typing import Any

import pytest

from instrument.values import record, value


@value
class Place:
    """In order or by name."""

    name: str
    floor: int = 0


@record
class Note:
    """By name only."""

    text: str
    tags: list[str] = field(default_factory=list)
    by: str | None = None


@dataclass(frozen=True, slots=True)
class PlaceAsEver:
    """What `Place` is held against."""

    name: str
    floor: int = 0


@pytest.mark.parametrize(
    ("ordered", "named"), [(("hall",), {}), (("hall", 2), {}), ((), {"floor": 2, "name": "hall"})]
)
def test_it_takes_and_shows_what_a_frozen_dataclass_does(ordered: tuple[Any, ...], named: dict[str, Any]) -> None:
    made, as_ever = Place(*ordered, **named), PlaceAsEver(*ordered, **named)
    assert dataclasses.asdict(made) == dataclasses.asdict(as_ever)
    assert repr(made) == repr(as_ever).replace("PlaceAsEver", "Place")
    assert hash(made) == hash(Place(*ordered, **named))
    assert made == Place(*ordered, **named)
    assert made != as_ever


@pytest.mark.parametrize(
    ("ordered", "named"),
    [((), {}), (("hall",), {"roof": 1}), (("hall",), {"name": "yard"}), (("hall", 1, 2), {})],
    ids=["none", "unknown", "twice", "too many"],
)
def test_it_refuses_what_a_frozen_dataclass_refuses(ordered: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kind in (Place, PlaceAsEver):
        with pytest.raises(TypeError):
            kind(*ordered, **named)


def test_a_record_takes_names_only() -> None:
    with pytest.raises(TypeError, match="Note"):
        Note("seen")  # type: ignore[misc]


def test_nothing_can_be_set_or_deleted() -> None:
    note = Note(text="seen")
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Note\.text"):
        note.text = "unseen"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError, match=r"Note\.text"):
        del note.text
    with pytest.raises(AttributeError):
        note.colour = "red"  # type: ignore[attr-defined]
    assert note == Note(text="seen")


def test_each_has_a_list_of_its_own() -> None:
    assert Note(text="a").tags is not Note(text="a").tags


def test_copies_and_pickles_are_equal_to_it() -> None:
    note = Note(text="seen", tags=["x"])
    assert copy.deepcopy(note) == pickle.loads(pickle.dumps(note)) == copy.copy(note) == note
    assert dataclasses.replace(note, by="me") == Note(text="seen", tags=["x"], by="me")


def test_a_match_sees_its_fields() -> None:
    match Place("hall", 3):
        case Place(name, floor):
            assert (name, floor) == ("hall", 3)
