"""The page on validity and the closed list say the same."""

from __future__ import annotations

import re
from pathlib import Path

from testbed.validity import REASONS


def test_every_reason_is_explained_and_no_other(repository: Path) -> None:
    text = (repository / "docs/validity.md").read_text()
    told = re.findall(r"^\| ([a-z ]+) \|", text, re.MULTILINE)
    assert sorted(set(told) - {"reason"}) == sorted(REASONS)
