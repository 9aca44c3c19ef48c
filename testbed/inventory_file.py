"""Inventory files: read for use, read for their content alone, and written.

Relative paths are relative to the file; `~` is the reader's home.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from testbed.errors import InventoryError
from testbed.inventory import Inventory
from testbed.inventory_checks import mistakes_of
from testbed.inventory_expansion import expanded
from testbed.inventory_sections import Document, shape_mistakes
from testbed.inventory_text import inventory_text
from testbed.key_files import key_mistakes
from testbed.validation import Place, dotted, explained, together


def read_inventory(path: Path) -> Inventory:
    """The inventory in a file, ready for use: its keys are there and SSH takes them. Raises InventoryError."""
    inventory = inventory_in(path)
    _refuse(path, key_mistakes(inventory))
    return inventory


def inventory_in(path: Path) -> Inventory:
    """The inventory in a file, its keys not looked at: where each host fails by itself. Raises InventoryError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InventoryError(
            f"{path}: cannot be read: {error.strerror}. Name an inventory file, or start from examples/lab.toml."
        ) from error
    except UnicodeDecodeError as error:
        raise InventoryError(f"{path}: not TOML: {error}. Save it as UTF-8.") from error
    return parse_inventory(text, path)


def parse_inventory(text: str, path: Path) -> Inventory:
    """The inventory in a text; `path` is where relative paths start and what errors name. Raises InventoryError.

    Looks at no file, so that an inventory can be checked where its keys are not.
    """
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        several = len(re.findall(r"^\s*\[{1,2}\s*server\s*\]", text, re.MULTILINE)) > 1 or "[[server]]" in text
        second = " A testbed has one server: others are [[nodes]]." if several else ""
        raise InventoryError(f"{path}: not TOML: {error}. Correct that line.{second}") from error
    _refuse(path, shape_mistakes(written))
    try:
        document = Document.model_validate(written)
    except ValidationError as error:
        raise InventoryError(f"{path}: {explained(error, Document, lambda place: _named(place, written))}") from error
    inventory, mistakes = expanded(document, path.absolute().parent)
    _refuse(path, mistakes)
    assert inventory is not None
    _refuse(path, mistakes_of(inventory))
    return inventory


def write_inventory(inventory: Inventory, path: Path) -> None:
    """Replace the file at once by this inventory."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.write_text(inventory_text(inventory), encoding="utf-8")
    fresh.replace(path)


def _refuse(path: Path, mistakes: Sequence[str]) -> None:
    if mistakes:
        sentences = [one if one.endswith("?") else f"{one}." for one in mistakes]
        raise InventoryError(f"{path}: {together(sentences)}")


def _named(place: Place, written: dict[str, Any]) -> str:
    """A place in the file with a node's name for its number, which counts from 0 and which nobody counts."""
    if place[:1] == ("nodes",) and len(place) > 1 and isinstance(place[1], int):
        block = written["nodes"][place[1]]
        name = block.get("name") if isinstance(block, dict) else None
        return dotted(("nodes", name or f"block {place[1] + 1}", *place[2:]))
    return dotted(place)
