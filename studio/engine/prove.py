"""`python -m studio.engine.prove --base DIR --adapter DIR … --merged DIR --report FILE`: is a merge right?

The engine's export ends with status 0 whatever it wrote. Here the merged model and the base with its adapters
read the same prompts, and their logits must agree; the weights that differ from the base's must be those that the
adapters act on. The folder may be anybody's. Writes a JSON report; exit status 0 for PASS, 1 for FAIL.
"""

import argparse
import json
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from studio.core.endpoint import Sampling
from studio.core.merging import TOLERANCES, tolerance_of
from studio.engine.generation import LoadedModel
from studio.engine.loading import AdaptedModel, load_model
from studio.engine.prove_weights import (
    Check,
    Differences,
    check_changed,
    check_files,
    check_finite,
    check_names,
    compare_weights,
    targets_of,
)
from studio.engine.tensor_files import TensorPlace, find_tensors
from studio.errors import StudioError

PROBES = (
    "高血压患者饮食要注意什么？",
    "What should I do about a fever?",
    "请用一句话介绍你自己。",
    "感冒了可以吃抗生素吗？",
    "1 + 1 = ?",
)
ANSWER_TOKENS = 24
LOADED_TYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
# A merge in half precision may change a scale by its rounding; another scale is further off than that.
SCALE_SLACK = 0.1
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Reading:
    """What a model made of the probes: their tokens, logits of shape (tokens, vocabulary), and its answers."""

    prompts: list[list[int]]
    logits: list[Any]
    answers: list[str]


@dataclass(frozen=True, slots=True)
class Reference:
    """The base with its adapters: its reading, whether each layer acts, the changes to some, and its precision."""

    model: AdaptedModel
    reading: Reading
    layers: Mapping[str, bool]
    changes: Mapping[str, Any]

    @property
    def dtype(self) -> str:
        return _loaded_type(self.model)


class EndedApart(Exception):
    """A process that we started ended without an answer; a negative status is the signal."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


def prove(base: Path, adapters: Sequence[Path], merged: Path) -> dict[str, Any]:
    """The report on a merged folder.

    Raises StudioError when the base or an adapter cannot be loaded, EndedApart when a signal ended the reading.
    """
    begun = time.monotonic()
    prompts = _encode_probes(base)
    reading, failed = _read_probes(merged, prompts)
    reference = _read_reference(base, adapters, prompts)
    tensors, checks = find_tensors(base), []
    try:
        written = find_tensors(merged)
    except (OSError, ValueError, KeyError, TypeError) as error:
        written = {}
        refused = {"path": str(merged), "reason": str(error)}
        failed = failed or Check("loads", False, "refused", {"error": "broken_weights", "values": refused})
    checks.append(failed or Check("loads", True, "fresh"))
    checks.append(check_names(tensors, written, merged, _is_tied(base)))
    wanted, unknown = targets_of(reference.layers, tensors)
    changes = {f"{layer}.weight": change for layer, change in reference.changes.items()}
    found = compare_weights(tensors, written, changes)
    checks += [check_finite(found), check_changed(found, wanted, unknown), *check_files(base, merged)]
    precision = _precision(written)
    tolerance = tolerance_of([precision, reference.dtype])
    largest = mean = None
    if reading:
        largest, mean = _differences(reference.reading.logits, reading.logits)
        checks += [
            _check_logits(largest, mean, tolerance, found),
            _check_answers(reference, reading, tolerance),
        ]
        if reading.prompts != prompts:
            checks.append(Check("tokens", False, "other_tokens"))
    return {
        "verdict": "PASS" if all(check.passed for check in checks) else "FAIL",
        "max_difference": largest,
        "mean_difference": mean,
        "tolerance": tolerance,
        "precision": precision,
        "probes": len(PROBES),
        "base": str(base),
        "adapters": [str(adapter) for adapter in adapters],
        "checks": [asdict(check) for check in checks],
        "seconds": {"proving": round(time.monotonic() - begun, 2)},
    }


def _encode_probes(base: Path) -> list[list[int]]:
    from studio.engine.fixes import apply_fixes

    # Their threads do not survive a fork.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    apply_fixes()
    from paddleformers.transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(base))
    except Exception as error:
        raise StudioError("not_a_model", "base", given=str(base), missing="tokenizer") from error
    return _encode(LoadedModel(None, tokenizer, 0))


def _encode(loaded: LoadedModel) -> list[list[int]]:
    """The probes as a conversation, or as they are where the model has no template for one."""
    if loaded.chat_template:
        return [loaded.encode_chat([{"role": "user", "content": text}]) for text in PROBES]
    return [loaded.encode(text, special=True) for text in PROBES]


def _read(loaded: LoadedModel, prompts: list[list[int]]) -> tuple[list[Any], list[str]]:
    answers = [loaded.answer(prompt, Sampling(max_tokens=ANSWER_TOKENS)) for prompt in prompts]
    return [loaded.logits(prompt) for prompt in prompts], answers


def read_apart(read: Callable[[], Found]) -> Found:
    """What `read` returns, in a process of its own, forked before any model is loaded.

    A load that fails leaves the engine unable to load anything else. Raises EndedApart.
    """
    there, here = multiprocessing.get_context("fork").Pipe()
    child = multiprocessing.get_context("fork").Process(target=lambda: here.send(read()), daemon=True)
    child.start()
    here.close()
    try:
        return there.recv()
    except EOFError as error:
        child.join()
        raise EndedApart(child.exitcode or 0) from error
    finally:
        there.close()
        child.join()


def _read_probes(merged: Path, prompts: list[list[int]]) -> tuple[Reading | None, Check | None]:
    try:
        return read_apart(lambda: _read_merged(merged, prompts))
    except EndedApart as error:
        # A signal says nothing of the weights.
        if error.status < 0:
            raise
        refused = {"path": str(merged), "reason": f"exit status {error.status}"}
        return None, Check("loads", False, "refused", {"error": "broken_weights", "values": refused})


def end_like(ended: EndedApart) -> int:
    """End by the signal that ended another process, so that whoever started this one sees it; else its status."""
    if ended.status < 0:
        sys.stdout.flush()
        with suppress(OSError, ValueError):
            signal.signal(-ended.status, signal.SIG_DFL)
        os.kill(os.getpid(), -ended.status)
    return ended.status or 1


def _read_merged(merged: Path, prompts: list[list[int]]) -> tuple[Reading | None, Check | None]:
    """What the merged folder makes of the probes; of one that does not load, why not."""
    try:
        loaded = load_model(merged)
        logits, answers = _read(loaded, prompts)
        return Reading(_encode(loaded), logits, answers), None
    except StudioError as error:
        return None, Check("loads", False, "refused", {"error": error.code, "values": dict(error.values)})


def _read_reference(base: Path, adapters: Sequence[Path], prompts: list[list[int]]) -> Reference:
    model = load_model(base, adapters)
    logits, answers = _read(model, prompts)
    (name,) = model.adapters()
    layers, changes = {}, {}
    tensors = find_tensors(base)
    for place, layer in model.layers_of(name).items():
        layers[place] = bool((layer.lora_A != 0).any()) and bool((layer.lora_B != 0).any())
        stored = tensors.get(f"{place}.weight")
        rows, columns = layer.weight.shape
        # Files keep (out, in), the engine (in, out); one layer tells the scale of all.
        if not changes and stored and rows != columns and stored.shape == (columns, rows):
            change = layer.get_delta_weight().astype("float32").numpy()
            changes[place] = np.ascontiguousarray(change.T)
    return Reference(model, Reading(prompts, logits, answers), layers, changes)


def _differences(wanted: list[Any], got: list[Any]) -> tuple[float, float]:
    if any(want.shape != have.shape for want, have in zip(wanted, got, strict=True)):
        return float("inf"), float("inf")
    apart = [np.abs(want - have).ravel() for want, have in zip(wanted, got, strict=True)]
    return float(max(each.max() for each in apart)), float(np.mean(np.concatenate(apart)))


def _check_logits(largest: float, mean: float, tolerance: float, found: Differences) -> Check:
    values: dict[str, Any] = {"largest": f"{largest:.2e}", "mean": f"{mean:.2e}", "tolerance": f"{tolerance:g}"}
    # A NaN is no agreement.
    if largest <= tolerance:
        return Check("logits", True, "within", values)
    scale = float(np.median(found.scales)) if found.scales else 1.0
    if abs(scale - 1) > SCALE_SLACK:
        return Check("logits", False, "other_scale", {**values, "scale": f"{scale:.2f}"})
    return Check("logits", False, "apart", values)


def _check_answers(reference: Reference, reading: Reading, tolerance: float) -> Check:
    """Greedy answers are equal, or, in half precision, part where two tokens are as likely within the tolerance."""
    pairs = list(zip(reading.prompts, reference.reading.answers, reading.answers, strict=True))
    equal = sum(want == have for _, want, have in pairs)
    values = {"equal": equal, "count": len(pairs)}
    if equal == len(pairs):
        return Check("answers", True, "equal", values)
    if tolerance > TOLERANCES["F32"]:
        apart = [(prompt, have) for prompt, want, have in pairs if want != have]
        if all(_is_as_likely(reference.model, prompt, have, tolerance) for prompt, have in apart):
            return Check("answers", True, "ties", values)
    return Check("answers", False, "equal", values)


def _is_as_likely(model: LoadedModel, prompt: list[int], answer: str, tolerance: float) -> bool:
    """Whether a model finds each token of an answer as likely as its own, within twice the tolerance of logits."""
    tokens = model.encode(answer, special=False)
    if not tokens:
        return False
    logits = model.logits([*prompt, *tokens])[len(prompt) - 1 : -1]
    given = logits[np.arange(len(tokens)), tokens]
    return bool((logits.max(axis=1) - given <= 2 * tolerance).all())


def _loaded_type(model: LoadedModel) -> str:
    name = str(next(iter(model.model.parameters())).dtype).rpartition(".")[2]
    return LOADED_TYPES.get(name, "F32")


def _precision(written: Mapping[str, TensorPlace]) -> str:
    """The type of most of a model's numbers."""
    counted: Counter[str] = Counter()
    for place in written.values():
        counted[place.dtype] += place.size
    return counted.most_common(1)[0][0] if counted else "F32"


def _is_tied(base: Path) -> bool:
    try:
        return bool(json.loads((base / "config.json").read_text(encoding="utf-8")).get("tie_word_embeddings"))
    except (OSError, ValueError):
        return False


def read_flags(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "merged", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--adapter", type=Path, action="append", required=True)
    return parser.parse_args(argv)


def main() -> int:
    """Write the report; the exit status is the verdict."""
    flags = read_flags()
    try:
        report = prove(flags.base, flags.adapter, flags.merged)
    except StudioError as error:
        print(json.dumps({"error": error.code, "values": dict(error.values)}, ensure_ascii=False, default=str))
        print(f"StudioError: {error}", file=sys.stderr)
        return 1
    except EndedApart as ended:
        return end_like(ended)
    # JSON knows no infinity and no NaN.
    for key in ("max_difference", "mean_difference"):
        value = report[key]
        report[key] = value if value is None or np.isfinite(value) else None
    beside = flags.report.with_suffix(".partial")
    beside.write_text(json.dumps(report, ensure_ascii=False, indent=2), encoding="utf-8")
    os.replace(beside, flags.report)
    print(json.dumps(report, ensure_ascii=False), flush=True)
    return 0 if report["verdict"] == "PASS" else 1


if __name__ == "__main__":
    sys.exit(main())
