"""Makes hosts ready to measure, step by step, each check → change → check; keeps on each what it changed, to undo it."""
