"""Probes for Flower's processes: hooks on flwr, httpx and uvicorn.

Imported only inside those processes, but for `names`, a table that reports read too.
"""
