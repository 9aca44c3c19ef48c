"""The live view of a campaign: what its controller sees, kept in `RUN_DIR/live.json`, drawn on any terminal."""
