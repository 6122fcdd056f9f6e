"""Which models and adapters can be picked."""

from studio.stores.home import Home
from studio.stores.models import AdapterChoice, ModelChoice, find_adapters, find_models

__all__ = ["AdapterChoice", "ModelChoice", "list_adapters", "list_models"]


def list_models(home: Home) -> list[ModelChoice]:
    return find_models(home)


def list_adapters(home: Home) -> list[AdapterChoice]:
    return find_adapters(home)
