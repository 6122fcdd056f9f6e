"""What memory a run needs, by parts; how near it comes is measured by `tests/engine/test_memory.py`."""

from dataclasses import replace
from typing import Any

import pytest

from studio.core.estimates import MemoryEstimate, estimate_disk, estimate_memory
from studio.core.model_check import ModelFacts
from studio.core.options import default_options

SIZES = {
    "hidden_size": 8,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "vocab_size": 50,
}
SHAPES: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (50, 8), "model.norm.weight": (8,)} | {
    f"model.layers.{layer}.{name}": shape
    for layer in range(3)
    for name, shape in (("self_attn.q_proj.weight", (8, 8)), ("mlp.down_proj.weight", (8, 24)))
}
WHOLE = 50 * 8 + 8 + 3 * (64 + 192)


def said(
    stage: str = "SFT", method: str = "full", extra: dict[str, Any] | None = None, **options: Any
) -> MemoryEstimate:
    model = ModelFacts(SIZES, (), (), SHAPES)
    found = estimate_memory(model, stage, method, {**default_options(), **options}, extra or {})
    assert found is not None
    return found


def test_full_training_keeps_a_weight_a_gradient_and_two_moments() -> None:
    found = said()
    assert (found.parameters, found.trainable) == (WHOLE, WHOLE)
    assert (found.weights, found.gradients, found.optimizer) == (4 * WHOLE, 4 * WHOLE, 8 * WHOLE)
    assert found.copy == found.weights
    parts = (found.weights, found.gradients, found.optimizer, found.activations, found.copy, found.process)
    assert found.total == sum(parts)


def test_an_adapter_learns_rank_times_both_sides_of_each_matrix_of_the_layers() -> None:
    assert said(method="lora", lora_rank=4).trainable == 3 * 4 * (16 + 32)
    assert said(method="lora", lora_rank=4, lora_target_modules="mlp").trainable == 3 * 4 * 32
    assert said(method="lora", lora_rank=4).optimizer == 8 * 3 * 4 * 48


def test_frozen_layers_have_neither_gradients_nor_moments() -> None:
    assert said(method="freeze", freeze_trainable_layers=1).trainable == 64 + 192
    found = said(method="freeze", freeze_trainable_layers=1, freeze_extra_modules="norm")
    assert (found.trainable, found.weights) == (64 + 192 + 8, 4 * WHOLE)


@pytest.mark.parametrize(("precision", "bytes_"), [("float32", 4), ("bf16", 2), ("wint8", 1), ("nf4", 0.5)])
def test_the_base_of_an_adapter_takes_what_its_precision_takes(precision: str, bytes_: float) -> None:
    found = said(method="lora", lora_rank=4, compute_type=precision)
    assert found.weights == int(WHOLE * bytes_ + 4 * found.trainable)


def test_dpo_compares_with_a_second_model_and_sees_two_answers() -> None:
    assert said("DPO").weights == 2 * said().weights
    assert said("DPO", "lora").weights == said("SFT", "lora").weights
    assert said("DPO").activations == said(per_device_train_batch_size=32).activations


def test_activations_grow_with_rows_and_length_and_fall_by_recomputing() -> None:
    usual = said(max_seq_len=512)
    assert said(max_seq_len=512, per_device_train_batch_size=32).activations == 2 * usual.activations
    # A plain attention keeps a matrix of scores, which grows with the square.
    assert said(max_seq_len=1024).activations > 2 * usual.activations
    assert said(max_seq_len=512, extra={"recompute_granularity": "full"}).activations < usual.activations


def test_of_a_model_that_does_not_say_its_sizes_nothing_is_made_up() -> None:
    model = ModelFacts(SIZES, (), (), SHAPES)
    for broken in (replace(model, config=None), replace(model, config={}), replace(model, shapes={})):
        assert estimate_memory(broken, "SFT", "full", default_options(), {}) is None


def test_a_checkpoint_holds_the_weights_twice_and_the_moments_once() -> None:
    model = ModelFacts(SIZES, (), (), SHAPES)
    options = {**default_options(), "save_steps": 10, "save_total_limit": 2}
    found = estimate_disk(model, "full", options, 35)
    assert found.checkpoint == WHOLE * (4 + 4 + 8)
    # Two stay, a third is there while it is written, and then comes the result.
    assert (found.kept, found.total) == (2, 3 * found.checkpoint + 4 * WHOLE)
    assert estimate_disk(model, "full", options, 5).total == found.checkpoint + 4 * WHOLE
    tied = ModelFacts({**SIZES, "tie_word_embeddings": True}, (), (), SHAPES)
    assert estimate_disk(tied, "full", options, 5).checkpoint == found.checkpoint + 50 * 8 * 4


def test_a_checkpoint_of_an_adapter_holds_nothing_of_the_base() -> None:
    model = ModelFacts(SIZES, (), (), SHAPES)
    options = {**default_options(), "lora_rank": 4}
    assert estimate_disk(model, "lora", options, 5).checkpoint == 3 * 4 * 48 * (4 + 4 + 8)


def test_several_gpus_divide_what_is_told_to_be_divided() -> None:
    one = said(device="gpu")
    four = {"device": "gpu", "device_count": 4}
    shared = said(**four, sharding="stage2")
    assert (shared.weights, shared.gradients, shared.optimizer) == (
        one.weights,
        one.gradients // 4,
        one.optimizer // 4,
    )
    assert said(**four, sharding="stage3").weights == one.weights // 4
    assert said(**four, sharding="none").optimizer == one.optimizer
    split = said(**four, sharding="stage1", tensor_model_parallel_size=2)
    assert (split.weights, split.optimizer) == (one.weights // 2, one.optimizer // 4)
    # Copies on a CPU share nothing.
    assert said(device_count=4).optimizer == said().optimizer
