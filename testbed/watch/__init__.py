"""A campaign's live view: what its controller sees, in `RUN_DIR/live.json`, drawn here and by `fedprobe watch`."""
