"""Is this testbed fit to measure? Facts are collected on the hosts, and judged here, apart from any host."""
