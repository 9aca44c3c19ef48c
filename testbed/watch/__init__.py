"""The live view of a campaign: what its controller sees, in `RUN_DIR/live.json`, drawn here and by `fedprobe watch`."""
