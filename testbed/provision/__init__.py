"""Makes hosts ready to measure, step by step: check, change, check; each keeps what was changed, to take it back."""
