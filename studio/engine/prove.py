"""`python -m studio.engine.prove --base DIR --adapter DIR --merged DIR --report FILE`: is a merge right?

The engine's export ends with status 0 whatever it wrote. Here the merged model and the base with its adapter
read the same prompts, and their logits must agree. Writes a JSON report; exit status 0 for PASS, 1 for FAIL.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studio.core.endpoint import Sampling
from studio.engine.generation import LoadedModel
from studio.engine.loading import load_model
from studio.errors import StudioError

# Merging in float32 and adding at run time differ by rounding only: 8e-7 to 6e-6 was seen.
TOLERANCE_FLOAT32 = 1e-3
TOLERANCE_BFLOAT16 = 0.25
PROBES = (
    "高血压患者饮食要注意什么？",
    "What should I do about a fever?",
    "请用一句话介绍你自己。",
    "感冒了可以吃抗生素吗？",
    "1 + 1 = ?",
)
ANSWER_TOKENS = 24
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "chat_template.jinja",
    "vocab.json",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold of a merged model; `detail` is what was measured."""

    name: str
    passed: bool
    detail: str


def prove(base: Path, adapter: Path, merged: Path) -> dict[str, Any]:
    """The report on a merged folder. Raises StudioError when the base or the adapter cannot be loaded."""
    with_adapter = load_model(base, [adapter])
    prompts = [_probe(with_adapter, text) for text in PROBES]
    wanted = [with_adapter.logits(prompt) for prompt in prompts]
    answers = [_answer(with_adapter, prompt) for prompt in prompts]
    bfloat16 = str(next(iter(with_adapter.model.parameters())).dtype).endswith("bfloat16")
    tolerance = TOLERANCE_BFLOAT16 if bfloat16 else TOLERANCE_FLOAT32
    del with_adapter

    checks = [_check_tensors(base, merged), _check_changed(base, merged), _check_tokenizer(base, merged)]
    try:
        loaded = load_model(merged)
    except StudioError as error:
        # A folder that does not load has no logits to compare, which is all there is to say.
        checks[0] = Check("weights_loaded", False, str(error.values.get("reason", error)))
        return _report(checks, None, None, tolerance)
    differences = [np.abs(want - loaded.logits(prompt)) for want, prompt in zip(wanted, prompts, strict=True)]
    largest = float(max(difference.max() for difference in differences))
    mean = float(np.mean(np.concatenate([difference.ravel() for difference in differences])))
    agreed = sum(_answer(loaded, p) == answer for p, answer in zip(prompts, answers, strict=True))
    checks += [
        # A NaN is no agreement.
        Check("logits_equal", largest <= tolerance, f"{largest:.2e}"),
        Check("answers_equal", agreed == len(prompts), f"{agreed} / {len(prompts)}"),
    ]
    return _report(checks, largest, mean, tolerance)


def _report(checks: list[Check], largest: float | None, mean: float | None, tolerance: float) -> dict[str, Any]:
    return {
        "verdict": "PASS" if all(check.passed for check in checks) else "FAIL",
        "max_difference": largest,
        "mean_difference": mean,
        "tolerance": tolerance,
        "checks": [asdict(check) for check in checks],
    }


def _probe(loaded: LoadedModel, text: str) -> list[int]:
    return loaded.encode_chat([{"role": "user", "content": text}])


def _answer(loaded: LoadedModel, prompt: list[int]) -> str:
    return loaded.answer(prompt, Sampling(max_tokens=ANSWER_TOKENS))


def _tensors(folder: Path) -> Iterator[tuple[str, Any]]:
    """Every tensor of a model folder, one at a time, read as the file stores it."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), framework="paddle") as file:
            for name in file.keys():  # noqa: SIM118 (a reader, not a mapping)
                yield name, file.get_tensor(name)


def _check_tensors(base: Path, merged: Path) -> Check:
    """The merged model has the base's tensors, in the base's shapes, and no NaN."""
    wanted = {name: list(tensor.shape) for name, tensor in _tensors(base)}
    found = {name: list(tensor.shape) for name, tensor in _tensors(merged)}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    detail = f"{len(found)} / {len(wanted)}" if not wrong else f"{len(wrong)}: {wrong[0]}"
    return Check("weights_loaded", not wrong, detail)


def _check_changed(base: Path, merged: Path) -> Check:
    """A merge that kept the base's weights is none."""
    before = dict(_tensors(base))
    changed = sum(
        name in before
        and list(before[name].shape) == list(tensor.shape)
        and not bool((before[name] == tensor).all())
        for name, tensor in _tensors(merged)
    )
    return Check("weights_changed", changed > 0, str(changed))


def _check_tokenizer(base: Path, merged: Path) -> Check:
    """Chat and training read the same tokenizer and template from the merged folder as from the base."""
    different = [
        name
        for name in TOKENIZER_FILES
        if (base / name).is_file()
        and (not (merged / name).is_file() or (base / name).read_bytes() != (merged / name).read_bytes())
    ]
    return Check("tokenizer_files", not different, ", ".join(different) or "–")


def main() -> int:
    """Write the report; the exit status is the verdict."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("base", "adapter", "merged", "report"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    flags = parser.parse_args()
    try:
        report = prove(flags.base, flags.adapter, flags.merged)
    except StudioError as error:
        print(f"StudioError: {error}", file=sys.stderr)
        return 1
    beside = flags.report.with_suffix(".partial")
    beside.write_text(json.dumps(report, ensure_ascii=False, indent=2), encoding="utf-8")
    os.replace(beside, flags.report)
    print(json.dumps(report, ensure_ascii=False), flush=True)
    return 0 if report["verdict"] == "PASS" else 1


if __name__ == "__main__":
    sys.exit(main())
