"""The edge of the exports: which trials of a run folder, and where their files go."""
