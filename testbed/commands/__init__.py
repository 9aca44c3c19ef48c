"""The commands: each module has `add_to(commands)` for its arguments and `execute(options)` for its work.

Nothing heavy is imported until a command is executed.
"""

from __future__ import annotations

import argparse
import textwrap
from typing import TypeAlias

# argparse has no public name for it, and at run time it takes no parameter
Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001


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
