"""Everything that must hold before a run may start."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from studio.core.devices import device_problems
from studio.core.hiding import holds_password, is_secret_key
from studio.core.model_check import ModelFacts, folder_problems, model_problems, sees
from studio.core.options import (
    METHODS,
    OPTIONS,
    OPTIONS_BY_NAME,
    QUANTISED_TYPES,
    STAGES,
    VISION_STAGES,
    OptionValue,
    list_names,
    read_option,
)
from studio.core.paddleformers.arguments import read_argument
from studio.core.paddleformers.config import REQUEST_KEYS, RESERVED_KEYS
from studio.core.request import TrainRequest
from studio.errors import Problem

RUN_NAME = re.compile(r"\w[\w.\-]{0,99}")


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What the stores found: enough to judge a request without touching a file."""

    model_files: frozenset[str] | None
    taken_names: frozenset[str]
    model: ModelFacts | None = None
    gpus: tuple[str, ...] = ()
    # The config of the adapter that was asked for; None where there is none.
    adapter: Mapping[str, Any] | None = None


def find_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    """Return all problems of a request at once, so nobody fixes them one click at a time.

    Data files are judged apart, by `studio.actions.training_data.find_data_problems`.
    """
    return [
        *_model_problems(request, facts),
        *_adapter_problems(request, facts),
        *_choice_problems(request, facts),
        *_name_problems(request.name, facts),
        *_option_problems(request, facts),
        *_together_problems(request, facts),
        *_extra_problems(request.extra),
    ]


def checked_options(request: TrainRequest) -> dict[str, OptionValue]:
    """The typed value of every option, defaults for those not given.

    Only for a request without problems: raises ValueError at an option that has one.
    """
    values: dict[str, OptionValue] = {}
    for spec in OPTIONS:
        applies = spec.applies_to(request.stage, request.method)
        value = read_option(spec, request.options.get(spec.name, spec.default) if applies else spec.default)
        if isinstance(value, Problem):
            raise ValueError(f"{spec.name}: {value.code}")
        values[spec.name] = value
    return values


def checked_extra(request: TrainRequest) -> dict[str, Any]:
    """The typed value of every further engine key, only for a request without problems."""
    return {key: read_argument(key, given) for key, given in request.extra.items()}


def _model_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    if not request.model:
        return [Problem("model", "no_model")]
    if facts.model_files is None:
        return [Problem("model", "model_not_found", {"given": request.model})]
    if wrong := folder_problems(request.model, facts.model_files):
        return wrong
    return list(model_problems(request.model, facts.model)) if facts.model else []


def _adapter_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    if not request.adapter:
        return []
    if request.method != "lora":
        return [Problem("adapter", "adapter_needs_lora", {"given": request.method})]
    if facts.adapter is None:
        return [Problem("adapter", "adapter_gone", {"given": request.adapter})]
    base = PurePath(str(facts.adapter.get("base_model_name_or_path", "")))
    # Folders are moved, and seldom renamed.
    if base.name and base.name != PurePath(request.model).name:
        return [Problem("adapter", "adapter_of_other_base", {"expected": str(base), "given": request.model})]
    return []


def _vision_problems(request: TrainRequest, facts: MachineFacts) -> Iterator[Problem]:
    if facts.model and facts.model.config is not None and not sees(facts.model):
        yield Problem("stage", "stage_needs_vision", {"given": request.stage, "model": request.model})
    if request.options.get("device", OPTIONS_BY_NAME["device"].default) != "gpu":
        yield Problem("device", "stage_needs_gpu", {"given": request.stage})
    if request.method == "freeze":
        yield Problem("method", "vision_freezes_parts")
    if request.stage != "VL-DPO" and request.method == "lora" and _is_on(request, "freeze_llm"):
        yield Problem("freeze_llm", "nothing_to_train")


def _is_on(request: TrainRequest, name: str) -> bool:
    return read_option(OPTIONS_BY_NAME[name], request.options.get(name, False)) is True


def _choice_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    found: list[Problem] = []
    if request.stage not in STAGES:
        found.append(Problem("stage", "not_a_choice", {"given": request.stage, "choices": ", ".join(STAGES)}))
    if request.stage in VISION_STAGES:
        found += _vision_problems(request, facts)
    if request.method not in METHODS:
        found.append(Problem("method", "not_a_choice", {"given": request.method, "choices": ", ".join(METHODS)}))
    return found


def _name_problems(name: str, facts: MachineFacts) -> list[Problem]:
    if not RUN_NAME.fullmatch(name) or ".." in name:
        return [Problem("name", "bad_name", {"given": name})]
    if name in facts.taken_names:
        return [Problem("name", "name_taken", {"given": name})]
    return []


def _option_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    found: list[Problem] = []
    # Of a stage or method that does not exist nobody can say what applies: then everything is checked.
    unknown = request.stage not in STAGES or request.method not in METHODS
    for name, given in request.options.items():
        spec = OPTIONS_BY_NAME.get(name)
        if spec is None:
            found.append(Problem(name, "unknown_option", {"given": name}))
            continue
        value = read_option(spec, given)
        # An option that does not apply is not sent, so what stands in it cannot hurt.
        if isinstance(value, Problem) and (unknown or spec.applies_to(request.stage, request.method)):
            found.append(value)
    device = request.options.get("device", OPTIONS_BY_NAME["device"].default)
    if device == "cpu" and request.options.get("compute_type") in ("bf16", *QUANTISED_TYPES):
        found.append(Problem("compute_type", "bf16_on_cpu"))
    return found


def _together_problems(request: TrainRequest, facts: MachineFacts) -> list[Problem]:
    """What is right by itself and cannot be together."""
    try:
        options = checked_options(request)
    except ValueError:
        # An option is wrong by itself, which is told.
        return []
    found = list(device_problems(options, facts.gpus))
    weights = list_names(str(options["dataset_weights"]))
    if weights and options["mix_strategy"] == "concat":
        found.append(Problem("dataset_weights", "weights_need_mixing"))
    elif weights and len(weights) != len(request.datasets):
        counts = {"count": len(weights), "datasets": len(request.datasets)}
        found.append(Problem("dataset_weights", "weights_count", counts))
    if options["mix_strategy"] == "random" and len(request.datasets) > 1 and int(options["max_steps"]) <= 0:
        found.append(Problem("max_steps", "random_needs_steps"))
    if options["eval_share"] and request.eval_dataset:
        found.append(Problem("eval_share", "eval_twice", {"given": request.eval_dataset}))
    if options.get("compare_rows") and not request.eval_dataset and not options["eval_share"]:
        found.append(Problem("compare_rows", "nothing_to_compare_on"))
    if (
        request.method == "freeze"
        and not options["freeze_trainable_layers"]
        and not options["freeze_extra_modules"]
    ):
        found.append(Problem("freeze_trainable_layers", "nothing_to_train"))
    if options["compute_type"] in QUANTISED_TYPES and request.method != "lora":
        found.append(Problem("compute_type", "quantised_needs_lora", {"given": options["compute_type"]}))
    return found


def find_secrets(extra: Mapping[str, object]) -> list[Problem]:
    """Further engine keys that are secrets: they would stand in a run's files, its preview and its bundle."""
    names = [key for key, given in extra.items() if is_secret_key(key) or holds_password(str(given))]
    return [Problem("extra", "key_is_a_secret", {"given": name}) for name in names]


def _extra_problems(extra: Mapping[str, object]) -> list[Problem]:
    found = find_secrets(extra)
    told = {problem.values["given"] for problem in found}
    for key, given in extra.items():
        if key in told:
            continue
        if key in OPTIONS_BY_NAME or key in REQUEST_KEYS:
            found.append(Problem("extra", "key_is_an_option", {"given": key}))
        elif key in RESERVED_KEYS:
            found.append(Problem("extra", "key_is_reserved", {"given": key}))
        else:
            value = read_argument(key, given)
            if isinstance(value, Problem):
                found.append(value)
    return found
