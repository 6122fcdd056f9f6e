"""What PaddleFormers 1.2.0 breaks, mended: one function a fix, each removable when upstream mends it.

Every function says the symptom, when it applies, and is shown by a test of the same name in
`tests/engine/test_fixes.py`, which runs the engine without it and with it. Loaded through the engine's own
door (`custom_register_path`, see `hook.py`) in training and export, and directly by the chat server.
"""

import ctypes
import fcntl
import importlib
import os
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# For tests only: names of fixes to leave out, with commas between.
SKIP_VARIABLE = "STUDIO_SKIP_FIXES"


def lora_evaluation() -> None:
    """LoRA with evaluation: `NameError: name 'GPTModel' is not defined`.

    The trainer names a class that only the optional paddlefleet brings; an empty class answers its
    `isinstance` with no. PaddleFormers 1.2.0.
    """
    from paddleformers.trainer import trainer

    if not hasattr(trainer, "GPTModel"):
        trainer.GPTModel = type("GPTModel", (), {})


def dpo_reference_model() -> None:
    """DPO with a reference model: `level should be O1 or O2`, or `no attribute '_user_defined_strategy'`.

    On one CPU process there is nothing to wrap the reference model in. PaddleFormers 1.2.0.
    """
    import paddle
    from paddleformers.cli.train.dpo import dpo_trainer

    wrap = dpo_trainer.DPOTrainer._wrap_ref_model

    def wrap_on_gpu(self: Any, model: Any) -> Any:
        return wrap(self, model) if paddle.is_compiled_with_cuda() else model

    dpo_trainer.DPOTrainer._wrap_ref_model = wrap_on_gpu


def gradient_accumulation() -> None:
    """Gradient accumulation above 1 on a CPU: `TypeError: device should be gpu, xpu,`.

    The trainer synchronises a device that a CPU build does not have. paddlepaddle 3.3.1.
    """
    import paddle

    if not paddle.is_compiled_with_cuda():
        paddle.device.synchronize = lambda *_, **__: None


def resume() -> None:
    """Resuming from `checkpoint-N` on one process: `'Fleet' object has no attribute '_hcg'`.

    Nobody initialises the hybrid group there; None is what the caller takes for "not parallel".
    PaddleFormers 1.2.0.
    """
    from paddle.distributed import fleet

    asked = fleet.get_hybrid_communicate_group

    def group_or_none() -> Any:
        try:
            return asked()
        except AttributeError:
            return None

    fleet.get_hybrid_communicate_group = group_or_none


def rms_norm() -> None:
    """RMSNorm on a CPU: the kernel `fused_rms_norm_ext` is not registered.

    The same formula in plain operations: x / sqrt(mean(x²) + ε) · w, in float32. PaddleFormers 1.2.0.
    """
    import paddle
    from paddleformers.nn import norm

    def plain_rms_norm(x: Any, weight: Any, epsilon: float, *_: Any, **__: Any) -> tuple[Any]:
        wide = x.astype("float32")
        return (wide * paddle.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon) * weight,)

    if not paddle.is_compiled_with_cuda():
        norm.fused_rms_norm_ext = plain_rms_norm


def contiguous_export() -> None:
    """LoRA export writes wrong weights with exit status 0: safetensors 0.8 stores arrays that are not
    contiguous in scrambled order. PaddleFormers 1.2.0 with safetensors 0.8.0.
    """
    import numpy as np
    from paddleformers.mergekit import merge_model

    save = merge_model.save_file

    def save_contiguous(tensors: dict[str, Any], filename: Any, metadata: Any = None) -> Any:
        whole = {
            name: np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value
            for name, value in tensors.items()
        }
        return save(whole, filename, metadata=metadata)

    merge_model.save_file = save_contiguous


def fused_qkv_export() -> None:
    """LoRA export writes wrong weights with exit status 0: training groups the fused qkv adapter by
    key-value head (q…q k v, q…q k v, …), export splits it as if it were all q, all k, all v.

    The B matrix, shape (rank, (heads + 2 · kv heads) · head size), is put in the order that export expects
    before it splits. PaddleFormers 1.2.0.
    """
    import numpy as np
    from paddleformers.mergekit import merge_model

    split = merge_model.MergeModel.split_fuse_lora_state_dict

    def split_grouped(self: Any, base: Any, lora: dict[str, Any]) -> Any:
        from paddleformers.transformers import AutoConfig

        config: Any = AutoConfig.from_pretrained(self.merge_config.base_model_path)
        heads = config.num_attention_heads
        groups = getattr(config, "num_key_value_heads", None) or heads
        for name in [name for name in lora if name.endswith(".qkv_proj.lora_B")]:
            matrix = lora[name]
            rank, width = matrix.shape
            head = width // (heads + 2 * groups)
            query_end = heads // groups * head
            parts = np.split(matrix.reshape(rank, groups, -1), [query_end, query_end + head], axis=2)
            ordered = np.concatenate([part.reshape(rank, -1) for part in parts], axis=1)
            lora[name] = np.ascontiguousarray(ordered)
        return split(self, base, lora)

    merge_model.MergeModel.split_fuse_lora_state_dict = split_grouped  # pyright: ignore[reportAttributeAccessIssue]


def ernie_cache() -> None:
    """ERNIE 4.5 generation never uses its KV cache, so each token costs the whole context again.

    The update between two tokens forgets `past_key_values`. The model's `config.use_cache` must be True
    too. PaddleFormers 1.2.0.
    """
    from paddleformers.transformers.ernie4_5 import modeling

    update = modeling.Ernie4_5PretrainedModel.update_model_kwargs_for_generation

    def update_with_cache(outputs: Any, model_kwargs: Any, is_encoder_decoder: bool = False) -> Any:
        model_kwargs = update(outputs, model_kwargs, is_encoder_decoder)
        cache = getattr(outputs, "past_key_values", None)
        if cache is not None:
            model_kwargs["past_key_values"] = cache
        return model_kwargs

    modeling.Ernie4_5PretrainedModel.update_model_kwargs_for_generation = staticmethod(update_with_cache)


def qwen_without_paddlefleet() -> None:
    """Qwen 2 and 3: `paddlefleet is required`, a package that is on no index.

    Their older single-process classes are still there; they take the place of the new ones.
    PaddleFormers 1.2.0.
    """
    from paddleformers.trainer import trainer
    from paddleformers.utils.import_utils import is_paddlefleet_available

    provider = "paddleformers.transformers.gpt_provider"
    if is_paddlefleet_available() or provider in sys.modules:
        return

    @dataclass
    class GPTModelProvider:
        transform_rules: dict[str, Any] = field(default_factory=dict)

    module = types.ModuleType(provider)
    module.GPTModelProvider = GPTModelProvider  # type: ignore[attr-defined]
    module.GPTModel = getattr(trainer, "GPTModel", type("GPTModel", (), {}))  # type: ignore[attr-defined]
    sys.modules[provider] = module
    for package, family in (("qwen2", "Qwen2"), ("qwen3", "Qwen3")):
        modeling = importlib.import_module(f"paddleformers.transformers.{package}.modeling")
        older = getattr(modeling, f"{family}ForCausalLMDeprecated")
        older.__name__ = older.__qualname__ = f"{family}ForCausalLM"
        setattr(modeling, f"{family}ForCausalLM", older)


def cpu_data_parallel() -> None:
    """Several processes on a CPU: `.cuda()` finds no available device. paddlepaddle 3.3.1."""
    import paddle

    if not paddle.is_compiled_with_cuda():
        paddle.Tensor.cuda = lambda self, *_, **__: self


def concurrent_loading() -> None:
    """Two processes that load the same folder at once: `IndexError`, `EOFError: Ran out of input`, half a file.

    Each load deletes the index that the one before wrote into the folder, and writes it again. Here an index
    stays as long as it is newer than the weights, and the folder is the lock under which it is written; ranks
    of one job write it together as released, for one that waited for another would wait for ever.
    PaddleFormers 1.2.0, paddlepaddle 3.3.1.
    """
    import paddle
    from paddle.distributed.flex_checkpoint.dcp import load_state_dict as loading
    from paddleformers.peft.lora import lora_model
    from paddleformers.transformers import model_utils

    index = model_utils.FLEX_CKPT_AUTO_GENERATED_METADATA
    modules: tuple[Any, ...] = (model_utils, lora_model)
    for module in modules:
        module.FLEX_CKPT_AUTO_GENERATED_METADATA = f"{index}.kept"
    find = loading.get_checkpoint_files

    def find_alone(path: str, *arguments: Any, **options: Any) -> Any:
        if paddle.distributed.get_world_size() > 1:
            return find(path, *arguments, **options)
        folder = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            _remove_outdated(Path(path) / index)
            return find(path, *arguments, **options)
        finally:
            os.close(folder)

    loading.get_checkpoint_files = find_alone


def system_prompts() -> None:
    """System prompts are trained on in the first epoch only, without a word.

    Encoding a conversation takes the system prompt out of the row it was given, and the rows of a dataset are
    kept for the next epoch. Here the row that is encoded is a copy. PaddleFormers 1.2.0.
    """
    from paddleformers.transformers.tokenizer_utils import PaddleTokenizerMixin

    encode = PaddleTokenizerMixin.encode_chat_inputs

    def encode_copy(self: Any, conversations: Any, *arguments: Any, **options: Any) -> Any:
        given = dict(conversations) if isinstance(conversations, dict) else conversations
        return encode(self, given, *arguments, **options)

    PaddleTokenizerMixin.encode_chat_inputs = encode_copy


def step_variable() -> None:
    """A run dies of SIGSEGV at its first step, seldom.

    The trainer puts a variable into the environment at each step, while threads of the data loader read others.
    Putting a new one moves the list that they are reading; putting it once before they are there does not.
    PaddleFormers 1.2.0, glibc.
    """
    os.environ.setdefault("TRAINER_GLOBAL_STEP", "0")


def openmp_variable() -> None:
    """The same death of the same cause, still more seldom.

    Intel's OpenMP runtime, which Paddle brings, puts a variable of its own into the environment when a process
    first works with it, in a forked one once more. Here it does so before there are threads. paddlepaddle 3.3.1,
    glibc.
    """
    mapped = Path("/proc/self/maps").read_text(encoding="utf-8", errors="replace").splitlines()
    for library in {line.split()[-1] for line in mapped if "libiomp" in line}:
        ctypes.CDLL(library).omp_get_max_threads()


def shared_folder() -> None:
    """Several machines that write into one folder: `FileNotFoundError` when the model is saved at the end.

    The first process of each machine renames all the files that it sees, so those of the others, too. The engine
    takes each machine's folder for its own; here all processes count as those of one machine, as far as saving
    asks. PaddleFormers 1.2.0.
    """
    if "PADDLE_TRAINERS_NUM" in os.environ:
        os.environ["PADDLE_LOCAL_SIZE"] = os.environ["PADDLE_TRAINERS_NUM"]


def only_data() -> None:
    """A model folder with a file `x.metadata` runs whatever that file names, as it is a pickle.

    So does every other file that `paddle.load` reads. PaddleFormers 1.2.0, paddlepaddle 3.3.1.
    """
    from studio.engine import pickles

    pickles.only_data()


def _remove_outdated(index: Path) -> None:
    weights = [path.stat().st_mtime_ns for path in index.parent.glob("*.safetensors")]
    if index.exists() and weights and index.stat().st_mtime_ns < max(weights):
        index.unlink()


FIXES: tuple[Callable[[], None], ...] = (
    lora_evaluation,
    dpo_reference_model,
    gradient_accumulation,
    resume,
    rms_norm,
    contiguous_export,
    fused_qkv_export,
    ernie_cache,
    qwen_without_paddlefleet,
    cpu_data_parallel,
    concurrent_loading,
    system_prompts,
    step_variable,
    openmp_variable,
    shared_folder,
    only_data,
)

_applied: set[str] = set()


def apply_fixes() -> list[str]:
    """Apply every fix that was not applied yet; returns the names of all that are in force."""
    skipped = os.environ.get(SKIP_VARIABLE, "").split(",")
    for fix in FIXES:
        if fix.__name__ not in skipped and fix.__name__ not in _applied:
            fix()
            _applied.add(fix.__name__)
    return sorted(_applied)
