"""Programs that provisioning runs on hosts where nothing is installed yet: one file each, standard library alone."""
