"""A run as a bundle: all that another machine needs to run it again, but the data and the model themselves."""

import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from studio.actions.environment import run_versions
from studio.actions.history import read_about
from studio.actions.rows import existing_file
from studio.actions.train import free_name
from studio.core.bundle import FORMAT, bundle_facts, find_mismatches
from studio.core.plain_json import read_json_text
from studio.core.request import TrainRequest
from studio.errors import Problem, StudioError
from studio.stores.hashes import file_hash
from studio.stores.home import Home
from studio.stores.models import model_identity, model_path
from studio.stores.registry import find_entry
from studio.stores.runs import JobPaths, RunPaths, find_run_folder, read_json

MANIFEST = "bundle.json"
# Far more than any that we wrote; a file that unpacks to more is none of ours.
MOST_BYTES = 16_000_000
# Ours have four entries.
MOST_LIST_BYTES = 65_536
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
# The end record with the longest comment, and where there is one for more than 4 GB.
END_BYTES = 22 + 65_535
END_RECORD, LARGE_RECORD = b"PK\x05\x06", b"PK\x06\x07"


def pack_bundle(home: Home, run: str) -> bytes:
    """What was asked, the engine's config, the command, versions, hashes, metrics, as a zip. Raises NotFound."""
    folder = find_run_folder(home, run)
    paths = RunPaths(folder)
    record = read_json(paths.request)
    names = [str(source["name"]) for source in record.get("datasets", [])]
    manifest = {
        "format": FORMAT,
        "run": folder.name,
        "record": record,
        "entries": {name: _entry(home, name) for name in names},
        "state": read_json(JobPaths(paths.job).state).get("state"),
        "note": read_about(folder).note,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bundle:
        bundle.writestr(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
        for path in (paths.config, paths.hook, paths.metrics):
            if path.exists():
                bundle.write(path, path.name)
    return packed.getvalue()


def read_bundle(home: Home, path: Path) -> tuple[TrainRequest, list[Problem]]:
    """The request of a bundle as it can be asked here, and everything that is otherwise here. Raises StudioError.

    The model is looked for by its folder's name among those of this home; data by its name in the registry.
    """
    record = _read_manifest(path)["record"]
    try:
        request = TrainRequest.from_json(record["request"])
    except (KeyError, TypeError) as error:
        raise StudioError("bad_bundle", "bundle", given=path.name) from error
    model = model_path(home, Path(request.model).name.strip(".") or "-")
    request = replace(request, model=str(model), name=free_name(home, request.name))
    return request, find_mismatches(bundle_facts(record), _facts_here(home, record, model))


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        _refuse_long_list(path)
        with zipfile.ZipFile(path) as bundle:
            found = [entry for entry in bundle.infolist() if entry.filename == MANIFEST]
            # Of two of one name, one is there to be overlooked; what else unpacks does so without a limit.
            if len(found) != 1 or found[0].file_size > MOST_BYTES or found[0].compress_type not in KINDS:
                raise StudioError("bad_bundle", "bundle", given=path.name)
            manifest: Any = read_json_text(bundle.read(found[0]).decode())
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error, struct.error) as error:
        raise StudioError("bad_bundle", "bundle", given=path.name) from error
    told = cast("dict[str, Any]", manifest) if isinstance(manifest, dict) else {}
    if told.get("format") != FORMAT or not isinstance(told.get("record"), dict):
        raise StudioError("bad_bundle", "bundle", given=path.name)
    return told


def _refuse_long_list(path: Path) -> None:
    """Raises ValueError for a zip whose list of entries alone would fill the memory.

    Format: PKWARE's application note, 4.3.16: the end record says at 12 how long the list is.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    at = end.rfind(END_RECORD)
    if at < 0 or LARGE_RECORD in end or struct.unpack_from("<L", end, at + 12)[0] > MOST_LIST_BYTES:
        raise ValueError(path.name)


def _facts_here(home: Home, record: Mapping[str, Any], model: Path) -> dict[str, dict[str, str]]:
    """The same facts of this machine, as far as it has them."""
    datasets: dict[str, str] = {}
    for source in record.get("datasets", []):
        name = str(source["name"])
        try:
            datasets[name] = file_hash(home, existing_file(home, name, find_entry(home, name)))[:12]
        except StudioError:
            continue
    identity = model_identity(model)
    return {
        "versions": run_versions(),
        "model": {model.name: identity} if identity else {},
        "datasets": datasets,
    }


def _entry(home: Home, name: str) -> object:
    """How a dataset is read, for somebody who registers it elsewhere; None when it is no longer registered."""
    try:
        return find_entry(home, name)
    except StudioError:
        return None
