"""The model card of a merged model: written from its runs, edited afterwards."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from studio.actions.curves import read_curves
from studio.actions.evaluation import list_run_scores
from studio.core.model_card import CardFacts, DataFacts, RunFacts, Score, license_of
from studio.core.runs import LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT
from studio.errors import StoreFailed, StudioError
from studio.jobs.publish import CARD
from studio.stores.atomic import write_text
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.models import is_model, model_path
from studio.stores.runs import RunPaths, read_json, read_request, run_id

# More is no card.
CARD_LIMIT = 1_000_000
LICENSE_NAMES = ("LICENSE", "LICENSE.txt", "LICENSE.md")
LOSSES = {"loss": 0, "eval_loss": 1}


def card_facts(home: Home, folder: Path, adapters: Sequence[Path], name: str, precision: str) -> CardFacts:
    """What is known of a merge: of each adapter's run its data, options, losses and versions, and of the base."""
    base = Path(read_request(folder).model)
    runs = [_run_facts(home, adapter) for adapter in adapters]
    licenses = [_text(base / name) for name in LICENSE_NAMES]
    found = license_of(_text(base / "README.md"), next((text for text in licenses if text), ""))
    # What one of several reached is not what their sum does.
    scores = list(_scores(home, adapters[0])) if len(adapters) == 1 else []
    return CardFacts(name, base.name, *found, precision, runs, scores)


def read_card(home: Home, model: str) -> str:
    """The card of a model folder as it stands; empty when it has none. Raises StudioError."""
    return _text(_card(home, model))


def save_card(home: Home, model: str, text: str) -> None:
    """Replace the card of a model folder. Raises StudioError."""
    if len(text.encode()) > CARD_LIMIT:
        raise StudioError("card_too_long", "card", limit=CARD_LIMIT)
    write_text(_card(home, model), text if text.endswith("\n") else f"{text}\n")


def _card(home: Home, model: str) -> Path:
    folder = model_path(home, model)
    if not model or not is_model(folder):
        raise StudioError("not_a_model", "model", given=model, missing="config.json")
    return allowed_path(home, folder / CARD, "model")


def _place(adapter: Path) -> tuple[Path, int | None]:
    """The run of an adapter's folder, and the checkpoint that it is."""
    for form in (LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT):
        if match := form.fullmatch(adapter.name):
            return adapter.parent, int(match[1])
    return adapter, None


def _run_facts(home: Home, adapter: Path) -> RunFacts:
    """What the run of an adapter tells; of somebody else's there may be no more than its folder's name."""
    folder, checkpoint = _place(adapter)
    if not RunPaths(folder).request.is_file():
        return RunFacts(adapter.name)
    stored, request = read_json(RunPaths(folder).request), read_request(folder)
    data = [
        DataFacts(str(each["name"]), each.get("rows"), str(each.get("sha256") or ""))
        for each in cast("list[dict[str, Any]]", stored.get("datasets", []))
    ]
    losses: dict[str, tuple[float, float]] = {}
    last = None
    curves = read_curves(home, run_id(home, folder)) if folder.is_relative_to(home.saves) else {}
    for name in LOSSES:
        steps, values = curves.get(name, ([], []))
        kept = [(s, v) for s, v in zip(steps, values, strict=True) if checkpoint is None or s <= checkpoint]
        if kept:
            losses[name] = (kept[0][1], kept[-1][1])
            last = max(last or 0, int(kept[-1][0]))
    versions = {str(k): str(v) for k, v in cast("dict[str, object]", stored.get("versions") or {}).items()}
    return RunFacts(
        request.name or folder.name,
        request.stage,
        checkpoint,
        data,
        {**request.options, **request.extra},
        losses,
        checkpoint or last,
        versions,
    )


def _scores(home: Home, adapter: Path) -> Iterator[Score]:
    """What the run was found to reach, the newest of each dataset and metric, beside what it was compared with."""
    folder, checkpoint = _place(adapter)
    if not folder.is_relative_to(home.saves) or not RunPaths(folder).request.is_file():
        return
    told: set[tuple[str, str]] = set()
    for scores in list_run_scores(home, run_id(home, folder)):
        if scores.checkpoint != checkpoint:
            continue
        for metric, found in scores.estimates.items():
            if (scores.dataset, metric) not in told:
                told.add((scores.dataset, metric))
                before = scores.first.get(metric)
                base = before.value if before else None
                yield Score(metric, scores.dataset, found.value, found.low, found.high, base)


def _text(path: Path) -> str:
    if not path.is_file():
        return ""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(CARD_LIMIT)
    except OSError as error:
        raise StoreFailed("write_failed", "card", path=str(path), reason=error.strerror or str(error)) from error
