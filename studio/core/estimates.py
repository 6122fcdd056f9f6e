"""How much memory a run takes, by parts, before it starts.

Weights, gradients and AdamW's two moments are counted; activations follow "Reducing Activation Recomputation in
Large Transformer Models" (Korthikanti et al. 2022), with gated feed-forward layers and the logits added. What real
runs took beside it is in `docs/training.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from studio.core.devices import asked_devices, count_copies
from studio.core.model_check import EMBEDDING, ModelFacts
from studio.core.options import PREFERENCE_STAGES, OptionValue, list_names
from studio.core.trainable import LAYER, choose_trainable, is_in

# What the engine's process takes before it has loaded a model: measured, on a CPU.
PROCESS_BYTES = 600_000_000
FLOAT_BYTES = 4
# Bytes a weight of the base takes in each precision.
WEIGHT_BYTES: Mapping[str, float] = {"float32": 4, "bf16": 2, "nf4": 0.5, "wint4": 0.5, "wint8": 1}
ADAM_BYTES = 8
# Tensors of the size of the hidden state, of the feed-forward layer and of the attention matrix that a block keeps
# for its backward pass, and of the logits.
HIDDEN_TENSORS, INNER_TENSORS, SCORE_TENSORS, LOGIT_TENSORS = 12, 4, 3, 4


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes a device needs, by what they are for; `trainable` and `parameters` are numbers of weights."""

    parameters: int
    trainable: int
    weights: int
    gradients: int
    optimizer: int
    activations: int
    copy: int
    process: int

    @property
    def total(self) -> int:
        training = self.weights + self.gradients + self.optimizer + self.activations
        return training + self.copy + self.process


@dataclass(frozen=True, slots=True)
class DiskEstimate:
    """Bytes of one checkpoint in its two forms (one to go on from, one that loads), of all, and how many stay."""

    checkpoint: int
    total: int
    kept: int


def estimate_memory(
    model: ModelFacts,
    stage: str,
    method: str,
    options: Mapping[str, OptionValue],
    extra: Mapping[str, Any],
) -> MemoryEstimate | None:
    """The memory of one device.

    None for a folder whose config or weights do not say its sizes.
    """
    sizes = _sizes(model.config or {})
    if not model.shapes or sizes is None:
        return None
    parameters = sum(prod(shape) for shape in model.shapes.values())
    trainable = count_trainable(model.shapes, method, options)
    precision = str(options["compute_type"])
    base = parameters * WEIGHT_BYTES[precision]
    # The adapter stands beside the base; in half precision AdamW keeps a full copy of what learns.
    own = trainable * FLOAT_BYTES if method == "lora" else 0
    master = trainable * FLOAT_BYTES if precision != "float32" else 0
    # DPO compares with the model as it was; with LoRA that is the base without its adapter.
    reference = base if stage in PREFERENCE_STAGES and method != "lora" else 0
    rows = int(options["per_device_train_batch_size"]) * (2 if stage in PREFERENCE_STAGES else 1)
    length = int(options["max_seq_len"])
    recomputed = str(extra.get("recompute_granularity", "")).lower() == "full"
    half = 1 if precision == "float32" else 2
    on_cpu = str(options["device"]) == "cpu"
    parts, shards = _parts(options)
    stage_of = {"none": 0, "stage1": 1, "stage2": 2, "stage3": 3}[str(options["sharding"])]
    return MemoryEstimate(
        parameters,
        trainable,
        int(base + own + reference) // parts // (shards if stage_of == 3 else 1),
        trainable * FLOAT_BYTES // parts // (shards if stage_of >= 2 else 1),
        (trainable * ADAM_BYTES + master) // parts // (shards if stage_of >= 1 else 1),
        _activations(sizes, rows, length, on_cpu, recomputed) // half // parts,
        # While they are loaded and saved, the weights are there twice; of a GPU's weights in the machine's memory.
        int(base) if on_cpu else 0,
        PROCESS_BYTES,
    )


def _parts(options: Mapping[str, OptionValue]) -> tuple[int, int]:
    """Over how many devices a model is divided, and over how many of its copies what is sharded is (ZeRO:
    Rajbhandari et al. 2020; stage 1 the optimiser, 2 gradients too, 3 weights too). Copies on a CPU share nothing.
    """
    if options["device"] == "cpu" or asked_devices(options).total == 1:
        return 1, 1
    copies = count_copies(options)
    return asked_devices(options).total // copies, int(options["sharding_parallel_size"]) or copies


def estimate_disk(model: ModelFacts, method: str, options: Mapping[str, OptionValue], steps: int) -> DiskEstimate:
    """What a run of so many steps writes: checkpoints that are kept, one more in the writing, and the result."""
    parameters = sum(prod(shape) for shape in model.shapes.values())
    trainable = count_trainable(model.shapes, method, options)
    half = options["compute_type"] != "float32"
    result = trainable * FLOAT_BYTES if method == "lora" else parameters * (2 if half else FLOAT_BYTES)
    moments = trainable * (ADAM_BYTES + (FLOAT_BYTES if half else 0))
    # The form to go on from holds weights that are shared twice.
    shared = _shared_weights(model) * FLOAT_BYTES if method != "lora" else 0
    checkpoint = 2 * result + shared + moments
    made = -(-steps // int(options["save_steps"]))
    kept = min(made, int(options["save_total_limit"]))
    return DiskEstimate(checkpoint, result + checkpoint * min(made, kept + 1), kept)


def _shared_weights(model: ModelFacts) -> int:
    """Weights of the embedding where the last layer uses them, too."""
    if not (model.config or {}).get("tie_word_embeddings"):
        return 0
    return sum(prod(shape) for name, shape in model.shapes.items() if name.endswith(EMBEDDING))


def count_trainable(shapes: Mapping[str, tuple[int, ...]], method: str, options: Mapping[str, OptionValue]) -> int:
    """How many weights learn."""
    if method == "full":
        return sum(prod(shape) for shape in shapes.values())
    if method == "lora":
        rank, wanted = int(options["lora_rank"]), list_names(str(options["lora_target_modules"]))
        return sum(
            rank * sum(shape)
            for name, shape in shapes.items()
            if len(shape) == 2 and LAYER.search(name) and (not wanted or any(is_in(name, part) for part in wanted))
        )
    try:
        chosen = choose_trainable(
            shapes,
            int(options["freeze_trainable_layers"]),
            list_names(str(options["freeze_trainable_modules"])),
            list_names(str(options["freeze_extra_modules"])),
        )
    except ValueError:
        # Modules go by the engine's fused names, which the files do not have; it is told when the engine starts.
        chosen = choose_trainable(shapes, int(options["freeze_trainable_layers"]) or 1)
    return sum(prod(shapes[name]) for name in chosen)


@dataclass(frozen=True, slots=True)
class _Sizes:
    hidden: int
    inner: int
    layers: int
    heads: int
    vocabulary: int


def _sizes(config: Mapping[str, Any]) -> _Sizes | None:
    names = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
    values = [config.get(name) for name in names]
    return _Sizes(*values) if all(isinstance(value, int) for value in values) else None  # pyright: ignore


def _activations(sizes: _Sizes, rows: int, length: int, plain_attention: bool, recomputed: bool) -> int:
    """Bytes in float32; a fused attention keeps no matrix of scores, and recomputing keeps the inputs of blocks."""
    tokens = rows * length
    block = tokens * (HIDDEN_TENSORS * sizes.hidden + INNER_TENSORS * sizes.inner)
    if plain_attention:
        block += SCORE_TENSORS * rows * sizes.heads * length**2
    kept = tokens * sizes.hidden * sizes.layers + block if recomputed else block * sizes.layers
    return FLOAT_BYTES * (kept + LOGIT_TENSORS * tokens * sizes.vocabulary)
