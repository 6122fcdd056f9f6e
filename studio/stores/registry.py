"""`dataset_registry.json`: which data there is, in LLaMA-Factory's `dataset_info.json` terms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from studio.errors import NotFound, StudioError
from studio.stores.atomic import alone, write_json
from studio.stores.home import Home
from studio.stores.small_files import read_small_json

Registry = dict[str, dict[str, Any]]


def read_registry(home: Home) -> Registry:
    """All entries by name; empty when there is no file. Raises StudioError when it is broken."""
    try:
        value = read_small_json(home.registry)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise StudioError("broken_registry", "registry", path=str(home.registry), reason=str(error)) from error
    if not isinstance(value, dict) or not all(isinstance(entry, dict) for entry in cast("Any", value).values()):
        reason = "it must be an object of objects"
        raise StudioError("broken_registry", "registry", path=str(home.registry), reason=reason)
    return cast("Registry", value)


def find_entry(home: Home, name: str) -> dict[str, Any]:
    """One entry. Raises NotFound, naming what there is."""
    return _entry_of(read_registry(home), name)


def add_entry(home: Home, name: str, entry: Mapping[str, Any]) -> None:
    """Add an entry; what others added meanwhile is kept. Raises StudioError when the name is taken."""
    with alone(home.registry):
        registry = read_registry(home)
        if name in registry:
            raise StudioError("dataset_taken", "name", given=name)
        write_json(home.registry, {**registry, name: dict(entry)})


def remove_entry(home: Home, name: str) -> None:
    """Take an entry out; its file stays. Raises NotFound."""
    with alone(home.registry):
        registry = read_registry(home)
        _entry_of(registry, name)
        write_json(home.registry, {known: entry for known, entry in registry.items() if known != name})


def change_entry(home: Home, name: str, changes: Mapping[str, Any]) -> None:
    """Set keys of an entry, or take them out where the value is None; every other key stays. Raises NotFound."""
    with alone(home.registry):
        registry = read_registry(home)
        entry = {**_entry_of(registry, name), **changes}
        kept = {key: value for key, value in entry.items() if value is not None}
        write_json(home.registry, {**registry, name: kept})


def rename_entry(home: Home, name: str, new_name: str) -> None:
    """Give an entry another name, in its place. Raises NotFound, and StudioError when the name is taken."""
    with alone(home.registry):
        registry = read_registry(home)
        _entry_of(registry, name)
        if new_name in registry:
            raise StudioError("dataset_taken", "name", given=new_name)
        renamed = {new_name if known == name else known: entry for known, entry in registry.items()}
        write_json(home.registry, renamed)


def entry_file(home: Home, entry: Mapping[str, Any]) -> Path | None:
    """The file or folder of an entry, relative names under `data/`; None for an entry that names a hub instead."""
    name = entry.get("file_name")
    return home.data / name if isinstance(name, str) and name else None


def _entry_of(registry: Registry, name: str) -> dict[str, Any]:
    if name not in registry:
        raise NotFound("unknown_dataset", "dataset", given=name, known=", ".join(registry) or "-")
    return registry[name]
