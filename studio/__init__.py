"""A fine-tuning studio in the browser for PaddlePaddle models."""

__version__ = "0.1.0"
