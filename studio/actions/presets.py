"""Presets: those that come with the studio, and one's own, a file each."""

import re
from typing import Any

from studio.core.presets import PRESETS, Preset, preset_of
from studio.core.problems import find_secrets
from studio.core.request import TrainRequest
from studio.errors import NotFound, RequestRefused, StudioError
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.small_files import read_small_json

PRESET_NAME = re.compile(r"\w[\w.\- ]{0,59}")


def list_presets(home: Home) -> list[str]:
    """The names of all presets: the studio's own first, then those that were saved."""
    return [*PRESETS, *sorted(path.stem for path in home.presets.glob("*.json"))]


def use_preset(home: Home, request: TrainRequest, name: str) -> TrainRequest:
    """A request with the settings of a preset. Raises NotFound, or StudioError for a file that is none."""
    return _find(home, name).applied_to(request)


def save_preset(home: Home, request: TrainRequest, name: str) -> None:
    """Keep the settings of a request under a name; one's own of that name is replaced. Raises StudioError."""
    name = name.strip()
    if not PRESET_NAME.fullmatch(name) or ".." in name:
        raise StudioError("bad_preset_name", "preset", given=name)
    if name in PRESETS:
        raise StudioError("preset_is_shipped", "preset", given=name)
    if found := find_secrets(request.extra):
        raise RequestRefused(found)
    home.presets.mkdir(exist_ok=True)
    write_json(home.presets / f"{name}.json", preset_of(request).to_json())


def remove_preset(home: Home, name: str) -> None:
    """Delete one's own preset. Raises NotFound."""
    if name not in list_presets(home) or name in PRESETS:
        raise NotFound("unknown_preset", "preset", given=name, known=", ".join(list_presets(home)))
    (home.presets / f"{name}.json").unlink()


def _find(home: Home, name: str) -> Preset:
    if name in PRESETS:
        return PRESETS[name]
    if name not in list_presets(home):
        raise NotFound("unknown_preset", "preset", given=name, known=", ".join(list_presets(home)))
    path = home.presets / f"{name}.json"
    try:
        stored: dict[str, Any] = read_small_json(path)
        return Preset(**stored)
    except (OSError, ValueError, TypeError) as error:
        raise StudioError("bad_config", "preset", given=str(path), reason=str(error)) from error
