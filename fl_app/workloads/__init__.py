"""The training job of the Flower app: a numpy model on handwritten digits, the same bytes on every run."""
