"""What a merge of adapters into a base must do: which weights it changes, how exact it is, how large it gets."""

from collections.abc import Iterable, Mapping, Sequence

AS_BASE = "base"
# Names as the safetensors format has them, with bytes an element.
DTYPES = {"float32": "F32", "bfloat16": "BF16", "float16": "F16"}
BYTES = {"F64": 8, "F32": 4, "BF16": 2, "F16": 2}
PRECISIONS = (AS_BASE, *DTYPES)
DEFAULT_SHARD_GB = 5.0
# What a merge in a precision may differ by from adding at run time, in the largest of all logits. In float32 only
# the order of rounding differs: 8e-7 to 6e-6 was seen; in the others each merged weight is rounded once more.
TOLERANCES = {"F64": 1e-3, "F32": 1e-3, "F16": 0.05, "BF16": 0.25}
# Headers, tokenizer, logs, and what others write meanwhile.
MARGIN_BYTES = 200_000_000
# What training holds as one layer and the files of a model as several.
FUSED = {
    "qkv_proj": ("q_proj", "k_proj", "v_proj"),
    "up_gate_proj": ("gate_proj", "up_proj"),
    "gate_up_proj": ("gate_proj", "up_proj"),
}
# Everything that reading text and writing prompts needs; those that the base has must come with the merged model.
TOKENIZER_FILES = (
    "tokenizer_config.json",
    "tokenizer.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "spiece.model",
)
TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json")
# What the engine's export copies itself.
COPIED_FILES = frozenset(
    {
        "tokenizer.model",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "chat_template.jinja",
        "chat_template.json",
        "generation_config.json",
        "vocab.json",
        "preprocessor_config.json",
    }
)
# Its own notes on the merge; they name folders of this machine.
ENGINE_FILES = ("merge_config.json",)
OTHER_FILES = ("generation_config.json", "preprocessor_config.json", "processor_config.json", "LICENSE", "NOTICE")


def targeted_weights(layer: str, base: Iterable[str]) -> tuple[str, ...]:
    """The weights of a base, by their names in its files, that an adapter's layer acts on; none when unknown."""
    names = frozenset(base)
    own = f"{layer}.weight"
    if own in names:
        return (own,)
    parent, _, leaf = layer.rpartition(".")
    parts = tuple(f"{parent}.{part}.weight" for part in FUSED.get(leaf, ()))
    return parts if parts and names.issuperset(parts) else ()


def tolerance_of(dtypes: Iterable[str]) -> float:
    """How far logits may be apart: what the coarsest of some precisions allows."""
    return max((TOLERANCES.get(dtype, TOLERANCES["F32"]) for dtype in dtypes), default=TOLERANCES["F32"])


def plan_shards(sizes: Mapping[str, int], limit: int) -> list[list[str]]:
    """Tensors in their order, dealt into files of at most `limit` bytes; one that is larger stands alone."""
    shards: list[list[str]] = []
    held = 0
    for name, size in sizes.items():
        if not shards or held + size > limit:
            shards.append([])
            held = 0
        shards[-1].append(name)
        held += size
    return shards


def shard_names(count: int) -> list[str]:
    """The file names that every loader of safetensors knows."""
    if count == 1:
        return ["model.safetensors"]
    return [f"model-{number:05d}-of-{count:05d}.safetensors" for number in range(1, count + 1)]


def merged_bytes(sizes: Mapping[str, int], precision: str) -> int:
    """Bytes of a model in a precision, from those of its tensors by their type (`F32`: 4,000,000 …)."""
    if precision == AS_BASE:
        return sum(sizes.values())
    each = BYTES[DTYPES[precision]]
    return sum(size * each // BYTES[dtype] if dtype in BYTES else size for dtype, size in sizes.items())


def needed_bytes(sizes: Mapping[str, int], precision: str, shard_bytes: int, adapters: Sequence[int]) -> int:
    """What must be free on the target's disk: what the engine writes, and its copy in other form if asked for."""
    engine = sum(sizes.values())
    copied = merged_bytes(sizes, precision) if rewrites(sizes, precision, shard_bytes) else 0
    return engine + copied + 2 * sum(adapters) + MARGIN_BYTES


def rewrites(sizes: Mapping[str, int], precision: str, shard_bytes: int) -> bool:
    """Whether the engine's file is not what was asked for: it writes one, in the base's precision."""
    other = precision != AS_BASE and any(d in BYTES and d != DTYPES[precision] for d in sizes)
    return other or merged_bytes(sizes, precision) > shard_bytes
