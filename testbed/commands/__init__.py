"""The commands: each module has `add_to(commands)` for its arguments and `execute(options)` for its work.

Nothing heavy is imported until a command is executed.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import NoReturn, TypeAlias

# argparse has no public name for it, and at run time it takes no parameter
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001
_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_NAMES = re.compile(r"[\w-]+")


class Parser(argparse.ArgumentParser):
    """argparse's, which for a wrong name also asks for the nearest right one."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and end with exit code 2."""
        wrong = _CHOICE.search(message)
        if wrong:
            from testbed.validation import did_you_mean

            meant = did_you_mean(wrong[1].lower(), _NAMES.findall(wrong[2]))
            message = f"{message}. {meant}" if meant else message
        super().error(message)


def command(
    commands: Commands, name: str, *, summary: str, description: str, examples: str, usage: str | None = None
) -> argparse.ArgumentParser:
    """A command's parser: its description folded to the terminal, its examples as they are written."""
    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(description, 90),
        epilog=examples,
        usage=usage,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
