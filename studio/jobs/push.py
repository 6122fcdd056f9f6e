"""`python -m studio.jobs.push HUB MODEL REPOSITORY JOB VISIBILITY`: a model folder to a hub, by the hub's own SDK.

The token comes in a variable of this process, is taken out of it at once, and is scrubbed from all that is printed.
"""

import importlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from studio.core.hiding import hide
from studio.core.hubs import HUBS, failure_code
from studio.core.model_card import license_of
from studio.errors import JobFailed
from studio.jobs.progress import Progress
from studio.jobs.publish import CARD
from studio.stores.models import shipped_files

TOKEN_VARIABLE = "STUDIO_HUB_SECRET"
MESSAGE = "Upload by PaddlePaddle fine-tuning studio"
# What AI Studio's SDK says of a repository that is there already.
EXISTS = re.compile(r"already (exist|created)|已存在|已经存在")
# Its code for who may not look into a repository.
NO_READER = 11002
WEIGHTS = (".safetensors", ".safetensors.index.json")
REASON_LENGTH = 300


class Scrubbed:
    """A stream that leaves a secret out of what is written."""

    def __init__(self, stream: IO[str], secret: str) -> None:
        self._stream = stream
        self._secret = secret

    def write(self, text: str) -> int:
        self._stream.write(hide(text, self._secret))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return False

    def fileno(self) -> int:
        return self._stream.fileno()


def push_huggingface(model: Path, repository: str, private: bool, token: str, progress: Progress) -> str:
    """One commit; large files go ahead one by one, so that there is something to tell."""
    hub: Any = importlib.import_module("huggingface_hub")
    api = hub.HfApi(token=token)
    url = str(api.create_repo(repository, private=private, repo_type="model", exist_ok=True))
    found = api.model_info(repository)
    _refuse_public(private, found.private)
    old = _old_weights(model, [sibling.rfilename for sibling in found.siblings or ()])
    operations: list[Any] = [hub.CommitOperationDelete(path_in_repo=name) for name in old]
    for path, name in _named(model):
        progress.begin(name)
        operation = hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=str(path))
        api.preupload_lfs_files(repository, [operation])
        operations.append(operation)
        progress.add(path.stat().st_size)
    api.create_commit(repository, operations, commit_message=MESSAGE)
    return url


def push_modelscope(model: Path, repository: str, private: bool, token: str, progress: Progress) -> str:
    hub: Any = importlib.import_module("modelscope_hub")
    errors: Any = importlib.import_module("modelscope_hub.errors")
    api = hub.HubApi(token=token)
    with suppress(errors.AlreadyExistsError):
        seen = "private" if private else "public"
        api.create_repo(repository, "model", visibility=seen, license=_license(model) or None)
    _refuse_public(private, api.get_repo(repository, "model").visibility == hub.Visibility.PRIVATE)
    old = _old_weights(model, [file.path for file in api.list_repo_files(repository, "model")])
    if old:
        # Ahead of the others: what a push that breaks off leaves there must not load as what was there before.
        api.delete_files(repository, "model", old, commit_message=MESSAGE)
    for path, name in _named(model):
        progress.begin(name)
        api.upload_file(repository, "model", str(path), name, commit_message=f"Add {name}", disable_tqdm=True)
        progress.add(path.stat().st_size)
    return ""


def push_aistudio(model: Path, repository: str, private: bool, token: str, progress: Progress) -> str:
    hub: Any = importlib.import_module("aistudio_sdk.hub")
    told = {"license": _license(model)} if _license(model) else {}
    answer: dict[str, Any] = hub.create_repo(repo_id=repository, private=private, token=token, **told) or {}
    if not answer.get("error_code"):
        _refuse_public(private, answer.get("private"))
    elif _says_exists(str(answer)):
        # It has no words for visibility: what is private is what nobody can look into without a token.
        seen: dict[str, Any] | bool = hub.file_exists(repository, CARD)
        _refuse_public(private, isinstance(seen, dict) and seen.get("error_code") == NO_READER)
        _refuse_old_weights(_old_weights(model, _aistudio_files(hub, repository, token)))
    else:
        raise JobFailed(failure_code(None, str(answer)), "token", reason=_reason(answer.get("error_msg"), token))
    for path, name in _named(model):
        progress.begin(name)
        hub.upload_file(repo_id=repository, path_or_fileobj=str(path), path_in_repo=name, token=token)
        # It leaves out what it cannot upload, prints why, and goes on.
        there = hub.file_exists(repository, name, token=token)
        if there is not True:
            raise JobFailed("hub_left_out", "repository", file=name)
        progress.add(path.stat().st_size)
    return ""


def _aistudio_files(hub: Any, repository: str, token: str) -> list[str]:
    listing: Any = importlib.import_module("aistudio_sdk.snapshot_download")
    errors: Any = importlib.import_module("aistudio_sdk.errors")
    try:
        return [str(file["path"]) for file in listing.get_model_files(repository, "master", token)[0]]
    except errors.NotExistError:
        # It says so of an empty repository, and of one that it could not read.
        if hub.file_exists(repository, "config.json", token=token) is True:
            raise
        return []


def _old_weights(model: Path, there: Sequence[str]) -> list[str]:
    """Weights in a repository that are not in the folder any more: a loader might take them for the new ones."""
    kept = {name for _, name in _named(model)}
    return sorted(name for name in there if "/" not in name and name.endswith(WEIGHTS) and name not in kept)


def _refuse_old_weights(names: Sequence[str]) -> None:
    if names:
        raise JobFailed("hub_old_weights", "repository", names=", ".join(names))


def _refuse_public(wanted: bool, found: object) -> None:
    """A repository may have been there before; what a hub does not call private is public."""
    if wanted and found is not True:
        raise JobFailed("hub_is_public", "repository")


PUSHES: dict[str, Callable[[Path, str, bool, str, Progress], str]] = {
    "huggingface": push_huggingface,
    "modelscope": push_modelscope,
    "aistudio": push_aistudio,
}


def _named(model: Path) -> Iterator[tuple[Path, str]]:
    for path in shipped_files(model):
        yield path, path.relative_to(model).as_posix()


CARD_CHARACTERS = 1_000_000


def _license(model: Path) -> str:
    """What the model card says; without it, these SDKs would write down one of their own."""
    card = model / CARD
    if not card.is_file():
        return ""
    with card.open(encoding="utf-8", errors="replace") as file:
        return license_of(file.read(CARD_CHARACTERS), "")[0]


def _says_exists(text: str) -> bool:
    return EXISTS.search(text.lower()) is not None


def _reason(text: object, token: str) -> str:
    """What was said, of bearable length; the token is taken out before anything is cut off in its midst."""
    return " ".join(hide(str(text), token).split())[:REASON_LENGTH]


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def explain(error: Exception, hub: str, repository: str, token: str) -> JobFailed:
    """Why a hub did not take a model, by the status that it answered or by what its SDK raised."""
    if isinstance(error, JobFailed):
        return JobFailed(error.code, error.field, hub=HUBS[hub], repository=repository, **error.values)
    status = next(
        (
            status
            for each in _chain(error)
            for status in [
                getattr(getattr(each, "response", None), "status_code", None) or getattr(each, "status_code", None)
            ]
            if status
        ),
        None,
    )
    names = " ".join(type(each).__name__ for each in _chain(error))
    code = failure_code(status, f"{names} {error}")
    return JobFailed(code, "repository", hub=HUBS[hub], repository=repository, reason=_reason(error, token))


def main(hub: str, model: str, repository: str, job: str, visibility: str) -> int:
    token = os.environ.pop(TOKEN_VARIABLE)
    sys.stdout = Scrubbed(sys.stdout, token)  # type: ignore[assignment]
    sys.stderr = Scrubbed(sys.stderr, token)  # type: ignore[assignment]
    # Nothing that an SDK keeps for itself lands in the home of whoever runs the studio.
    with tempfile.TemporaryDirectory() as kept:
        os.environ |= {"MODELSCOPE_HOME": kept, "AISTUDIO_CACHE_HOME": kept, "HF_HUB_DISABLE_TELEMETRY": "1"}
        files = shipped_files(Path(model))
        progress = Progress(Path(job), sum(path.stat().st_size for path in files))
        try:
            url = PUSHES[hub](Path(model), repository, visibility == "private", token, progress)
        except Exception as error:
            failed = explain(error, hub, repository, token)
            print(json.dumps({"error": failed.code, "values": failed.values}, ensure_ascii=False), flush=True)
            return 1
    progress.end(url=url)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:6]))
