"""An emulated testbed on one Linux machine: namespaces as hosts, kernel queues as links.

Every testbed uses the same addresses; its namespaces (`fp-<id>-…`) keep it apart from the others, and the
root namespace is never changed.
"""
