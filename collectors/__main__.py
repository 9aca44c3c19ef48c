"""Collect on one host until told to stop: `python -m collectors --out SPOOL --trial NAME --host NAME`.

Prints one line, `ready`, when everything runs; ends on SIGTERM or SIGINT, in order, with exit code 0.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from collectors.run import main
    except ValueError as error:  # FEDPROBE_CLOCK, read when the clock is made
        sys.exit(f"fedprobe collectors: {error}")
    sys.exit(main(sys.argv[1:]))
