"""Which models and adapters can be picked, and what a model can be trained for."""

from pathlib import Path

from studio.core.model_check import sees
from studio.core.options import STAGES, TEXT_STAGES
from studio.stores.home import Home
from studio.stores.jail import is_allowed
from studio.stores.models import AdapterChoice, ModelChoice, find_adapters, find_models, read_model

__all__ = ["AdapterChoice", "ModelChoice", "list_adapters", "list_models", "list_stages"]


def list_models(home: Home) -> list[ModelChoice]:
    return find_models(home)


def list_adapters(home: Home) -> list[AdapterChoice]:
    return find_adapters(home)


def list_stages(home: Home, model: str) -> list[str]:
    """The stages of a model's folder; those with images for models that see."""
    folder = Path(model)
    there = model and is_allowed(home, model) and folder.is_dir()
    return list(STAGES if there and sees(read_model(folder)) else TEXT_STAGES)
