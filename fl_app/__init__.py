"""A plain Flower app: the workload that the demo and the campaigns measure. It knows nothing of the probes."""
