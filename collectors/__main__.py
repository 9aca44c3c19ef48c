"""Collect on one host until told to stop: `python -m collectors --out SPOOL --trial NAME --host NAME`.

Prints one line, `ready`, when everything runs; ends on SIGTERM or SIGINT, in order, with exit code 0.
"""

from __future__ import annotations

import sys

from collectors.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
