import pytest

from studio.core.hubs import REPOSITORY, failure_code
from studio.core.merging import needed_bytes, plan_shards, shard_names, targeted_weights, tolerance_of

BASE = ("l.0.q_proj.weight", "l.0.k_proj.weight", "l.0.v_proj.weight", "l.0.gate_proj.weight", "l.0.up_proj.weight")


def test_a_layer_that_training_fuses_acts_on_each_of_its_parts() -> None:
    assert targeted_weights("l.0.qkv_proj", BASE) == BASE[:3]
    assert targeted_weights("l.0.up_gate_proj", BASE) == BASE[3:]
    assert targeted_weights("l.0.q_proj", BASE) == ("l.0.q_proj.weight",)


def test_a_base_that_keeps_it_fused_is_changed_there() -> None:
    assert targeted_weights("l.0.qkv_proj", ["l.0.qkv_proj.weight", *BASE]) == ("l.0.qkv_proj.weight",)


@pytest.mark.parametrize("layer", ["l.1.qkv_proj", "l.0.o_proj", "other.q_proj", "q_proj"])
def test_a_layer_without_a_weight_in_the_base_acts_on_none(layer: str) -> None:
    assert targeted_weights(layer, BASE) == ()


def test_files_hold_what_fits_in_order() -> None:
    assert plan_shards({"a": 4, "b": 4, "c": 9, "d": 2, "e": 6}, 8) == [["a", "b"], ["c"], ["d", "e"]]
    assert plan_shards({"a": 3}, 8) == [["a"]]


def test_one_file_has_the_name_that_needs_no_index() -> None:
    assert shard_names(1) == ["model.safetensors"]
    assert shard_names(2) == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]


def test_a_copy_in_another_form_needs_room_beside_the_engines() -> None:
    sizes = {"F32": 4_000_000_000, "I64": 100}
    as_is = needed_bytes(sizes, "base", 5_000_000_000, [1_000])
    assert needed_bytes(sizes, "bfloat16", 5_000_000_000, [1_000]) == as_is + 2_000_000_100
    assert needed_bytes(sizes, "base", 1_000_000_000, [1_000]) == as_is + 4_000_000_100
    assert needed_bytes(sizes, "float32", 5_000_000_000, [1_000]) == as_is


def test_the_coarser_precision_sets_the_tolerance() -> None:
    assert tolerance_of(["F32", "F32"]) < tolerance_of(["F16", "F32"]) < tolerance_of(["F16", "BF16"])


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (401, "", "hub_bad_token"),
        (403, "", "hub_forbidden"),
        (404, "", "hub_not_found"),
        (None, "ConnectionError: refused", "hub_unreachable"),
        (None, "AuthenticationError: please log in", "hub_bad_token"),
        (None, "token 无效", "hub_bad_token"),
        (500, "boom", "hub_failed"),
    ],
)
def test_a_refusal_is_told_by_its_status_or_its_words(status: int | None, text: str, code: str) -> None:
    assert failure_code(status, text) == code


@pytest.mark.parametrize("name", ["a", "a/b/c", "../b", "a/..", "a b/c", "a/", "-a/b"])
def test_what_is_no_repository_is_none(name: str) -> None:
    assert not REPOSITORY.fullmatch(name)
