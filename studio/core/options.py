"""The training options people change, in one table.

Widgets, texts, checks, the engine's config and `docs/options.md` all come from here. An option's name is the
engine's own argument name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from studio.errors import Problem

TEXT_STAGES = ("PT", "SFT", "DPO")
# For models that see; their data may have images and videos.
VISION_STAGES = ("VL-PT", "VL-SFT", "VL-DPO")
PREFERENCE_STAGES = ("DPO", "VL-DPO")
STAGES = (*TEXT_STAGES, *VISION_STAGES)
METHODS = ("full", "lora", "freeze")
TRUE_WORDS = frozenset({"true", "yes", "on", "1"})
FALSE_WORDS = frozenset({"false", "no", "off", "0"})

HOST_NAME = re.compile(r"[\w.:-]*")
MODULE_NAME = re.compile(r"\w+(\.\w+)*")

OptionValue = int | float | bool | str


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """What may be asked for one option: its kind, bounds and choices, and for which stages and methods.

    Not `sent` are those that the engine has no working key for: the studio does them itself, or through the hook.
    """

    name: str
    kind: str
    default: int | float | bool | str
    group: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    stages: tuple[str, ...] = STAGES
    methods: tuple[str, ...] = METHODS
    above_minimum: bool = False
    sent: bool = True

    def applies_to(self, stage: str, method: str) -> bool:
        return stage in self.stages and method in self.methods


DPO_LOSSES = (
    "sigmoid",
    "hinge",
    "ipo",
    "kto_pair",
    "sppo_hard",
    "nca_pair",
    "dpop",
    "or",
    "orpo",
    "simpo",
)
SCHEDULERS = ("linear", "cosine", "constant", "constant_with_warmup", "polynomial")

MIX_STRATEGIES = ("concat", "interleave_under", "interleave_over", "random")
# Weights of the frozen base in 4 or 8 bits, while the adapter learns in bf16 (QLoRA: Dettmers et al. 2023).
QUANTISED_TYPES = ("nf4", "wint8", "wint4")

# The engine's own templates that know how to place images.
VISION_TEMPLATES = (
    "ernie_vl",
    "ernie_vl_nothink",
    "paddleocr_vl",
    "qwen2_vl",
    "qwen3_vl",
    "qwen3_vl_nothink",
    "qwen3_5",
    "qwen3_5_nothink",
    "glm4v",
    "glm4v_moe",
    "glm_ocr",
)
SHARDINGS = ("none", "stage1", "stage2", "stage3")

OPTIONS: tuple[OptionSpec, ...] = (
    OptionSpec("learning_rate", "float", 0.003, "learning", 0, 1, above_minimum=True),
    OptionSpec("num_train_epochs", "float", 16.0, "learning", 0, 10_000, above_minimum=True),
    OptionSpec("max_steps", "int", -1, "learning", -1, 10_000_000),
    OptionSpec("per_device_train_batch_size", "int", 16, "learning", 1, 4096),
    OptionSpec("gradient_accumulation_steps", "int", 1, "learning", 1, 4096),
    OptionSpec("max_seq_len", "int", 64, "learning", 8, 1_048_576),
    OptionSpec("lr_scheduler_type", "choice", "cosine", "schedule", choices=SCHEDULERS),
    OptionSpec("warmup_steps", "int", 20, "schedule", 0, 10_000_000),
    OptionSpec("weight_decay", "float", 0.0, "schedule", 0, 1),
    OptionSpec("max_grad_norm", "float", 1.0, "schedule", 0, 1000),
    OptionSpec("seed", "int", 42, "schedule", 0, 2**31 - 1),
    OptionSpec("lora_rank", "int", 32, "lora", 1, 1024, methods=("lora",)),
    OptionSpec("lora_alpha", "int", 0, "lora", 0, 65_536, methods=("lora",), sent=False),
    OptionSpec("lora_target_modules", "names", "", "lora", methods=("lora",), sent=False),
    OptionSpec("rslora", "bool", False, "lora", methods=("lora",)),
    OptionSpec("lora_plus_scale", "float", 1.0, "lora", 0, 1000, methods=("lora",), above_minimum=True),
    OptionSpec("freeze_trainable_layers", "int", 2, "freeze", -1000, 1000, methods=("freeze",), sent=False),
    OptionSpec("freeze_trainable_modules", "names", "", "freeze", methods=("freeze",), sent=False),
    OptionSpec("freeze_extra_modules", "names", "", "freeze", methods=("freeze",), sent=False),
    OptionSpec("loss_type", "choice", "sigmoid", "preference", choices=DPO_LOSSES, stages=PREFERENCE_STAGES),
    OptionSpec("beta", "float", 0.1, "preference", 0, 100, stages=PREFERENCE_STAGES, above_minimum=True),
    OptionSpec(
        "vision_template",
        "choice",
        "ernie_vl",
        "vision",
        choices=VISION_TEMPLATES,
        stages=VISION_STAGES,
        sent=False,
    ),
    # Training on pairs does not look at them.
    OptionSpec("freeze_vision", "bool", True, "vision", stages=("VL-PT", "VL-SFT"), sent=False),
    OptionSpec("freeze_aligner", "bool", True, "vision", stages=("VL-PT", "VL-SFT"), sent=False),
    OptionSpec("freeze_llm", "bool", False, "vision", stages=("VL-PT", "VL-SFT"), sent=False),
    OptionSpec("eval_share", "float", 0.0, "mixing", 0, 0.5, sent=False),
    OptionSpec("mix_strategy", "choice", "concat", "mixing", choices=MIX_STRATEGIES),
    OptionSpec("dataset_weights", "numbers", "", "mixing", sent=False),
    OptionSpec("logging_steps", "int", 1, "saving", 1, 1_000_000),
    OptionSpec("eval_steps", "int", 100, "saving", 1, 10_000_000),
    OptionSpec("save_steps", "int", 200, "saving", 1, 10_000_000),
    OptionSpec("save_total_limit", "int", 2, "saving", 1, 10_000),
    OptionSpec("compare_rows", "int", 0, "saving", 0, 1_000_000, stages=("SFT", "DPO"), sent=False),
    OptionSpec("stop_on_nan", "bool", True, "watch", sent=False),
    OptionSpec("early_stopping_patience", "int", 0, "watch", 0, 10_000, sent=False),
    OptionSpec("spike_factor", "float", 0.0, "watch", 0, 1000, sent=False),
    OptionSpec("min_free_gb", "float", 0.0, "watch", 0, 1_000_000, sent=False),
    OptionSpec("silence_minutes", "float", 0.0, "watch", 0, 100_000, sent=False),
    OptionSpec("packing", "bool", False, "speed", stages=("PT", "SFT", "VL-PT", "VL-SFT")),
    OptionSpec("compute_type", "choice", "float32", "speed", choices=("float32", "bf16", *QUANTISED_TYPES)),
    OptionSpec("device", "choice", "cpu", "devices", choices=("cpu", "gpu")),
    OptionSpec("device_count", "int", 1, "devices", 1, 1024, sent=False),
    OptionSpec("device_ids", "names", "", "devices", sent=False),
    OptionSpec("sharding", "choice", "stage1", "devices", choices=SHARDINGS),
    OptionSpec("sharding_parallel_size", "int", 0, "devices", 0, 65_536),
    OptionSpec("tensor_model_parallel_size", "int", 1, "devices", 1, 1024),
    OptionSpec("pipeline_model_parallel_size", "int", 1, "devices", 1, 1024),
    OptionSpec("sequence_parallel", "bool", False, "devices"),
    OptionSpec("machines", "int", 1, "devices", 1, 1024, sent=False),
    OptionSpec("master_addr", "host", "", "devices", sent=False),
    OptionSpec("master_port", "int", 8080, "devices", 1, 65_535, sent=False),
)
OPTIONS_BY_NAME: Mapping[str, OptionSpec] = {spec.name: spec for spec in OPTIONS}


def default_options() -> dict[str, OptionValue]:
    """The values a newcomer starts with."""
    return {spec.name: spec.default for spec in OPTIONS}


def read_option(spec: OptionSpec, given: object) -> OptionValue | Problem:
    """Turn what a person typed (`1e-3`, `no`, `16`) into the value it means, or say why it cannot be."""
    match spec.kind:
        case "bool":
            value = _read_bool(given)
        case "int":
            value = _read_int(given)
        case "float":
            value = _read_float(given)
        case "names":
            value = _read_names(given)
        case "numbers":
            value = _read_numbers(given)
        case "host":
            value = _read_host(given)
        case _:
            value = given if isinstance(given, str) and given in spec.choices else None
    if value is None:
        if spec.kind == "choice":
            return Problem(spec.name, "not_a_choice", {"given": given, "choices": ", ".join(spec.choices)})
        return Problem(spec.name, f"not_{spec.kind}", {"given": given})
    if spec.kind in ("int", "float"):
        assert isinstance(value, int | float)
        low, high = spec.minimum, spec.maximum
        if spec.above_minimum and low is not None and value <= low:
            return Problem(spec.name, "not_above", {"given": given, "minimum": f"{low:g}"})
        if (low is not None and value < low) or (high is not None and value > high):
            return Problem(
                spec.name,
                "out_of_bounds",
                {"given": given, "minimum": f"{low:.12g}", "maximum": f"{high:.12g}"},
            )
    return value


def _read_bool(given: object) -> bool | None:
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower()
    return True if word in TRUE_WORDS else False if word in FALSE_WORDS else None


def _read_float(given: object) -> float | None:
    if isinstance(given, bool) or given is None:
        return None
    try:
        value = float(str(given).strip())
    except ValueError:
        return None
    # float() takes "nan" and "inf", which no option means.
    return value if value - value == 0 else None


def _read_names(given: object) -> str | None:
    """Names of modules, with commas between: `qkv_proj,o_proj`."""
    names = list_names(str(given or ""))
    return ",".join(names) if all(MODULE_NAME.fullmatch(name) for name in names) else None


def _read_host(given: object) -> str | None:
    """A machine's name or address, or nothing."""
    text = str(given or "").strip()
    return text if HOST_NAME.fullmatch(text) else None


def _read_numbers(given: object) -> str | None:
    """Numbers above 0, with commas between: `0.7,0.3`."""
    numbers = [_read_float(part) for part in list_names(str(given or ""))]
    return ",".join(f"{number:.12g}" for number in numbers if number) if all(n and n > 0 for n in numbers) else None


def list_names(text: str) -> list[str]:
    """The parts of a text between commas or spaces."""
    return text.replace(",", " ").split()


def _read_int(given: object) -> int | None:
    value = _read_float(given)
    return int(value) if value is not None and value == int(value) else None
