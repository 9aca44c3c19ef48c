"""Probes for Flower's processes: hooks on flwr, httpx and uvicorn. Imported only inside those processes."""
