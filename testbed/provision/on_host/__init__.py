"""Programs that provisioning runs on hosts before anything is installed there: one file each, standard library alone."""
