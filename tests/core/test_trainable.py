"""Which parameters learn when only a part of a model does."""

import pytest

from studio.core.trainable import choose_trainable

NAMES = ["model.embed_tokens.weight", "model.norm.weight"] + [
    f"model.layers.{layer}.{part}.weight"
    for layer in range(12)
    for part in ("self_attn.qkv_proj", "self_attn.o_proj", "mlp.down_proj", "input_layernorm")
]


def layers_of(names: set[str]) -> set[int]:
    return {int(name.split(".")[2]) for name in names if ".layers." in name}


def test_the_last_layers_learn_and_the_first_when_counted_down() -> None:
    assert layers_of(choose_trainable(NAMES, 2)) == {10, 11}
    assert layers_of(choose_trainable(NAMES, -3)) == {0, 1, 2}
    assert len(choose_trainable(NAMES, 2)) == 8
    # More than there are is all of them; what lies outside of the layers still does not learn.
    assert choose_trainable(NAMES, 99) == set(NAMES[2:])


def test_only_named_modules_learn() -> None:
    assert choose_trainable(NAMES, 1, ["self_attn"]) == {
        "model.layers.11.self_attn.qkv_proj.weight",
        "model.layers.11.self_attn.o_proj.weight",
    }
    assert choose_trainable(NAMES, 1, ["mlp.down_proj"]) == {"model.layers.11.mlp.down_proj.weight"}
    assert choose_trainable(NAMES, 0, extra=["norm"]) == {"model.norm.weight"}


@pytest.mark.parametrize(
    ("layers", "modules", "extra", "said"),
    [
        (1, ["q_proj"], [], "q_proj is no module of this model; there are down_proj, input_layernorm, mlp, o_proj"),
        (1, [], ["lm_head"], "lm_head is no module of this model; there are embed_tokens, model, norm"),
        # Part of a name is not the name.
        (1, ["proj"], [], "proj is no module"),
        (0, [], [], "no parameter of the model is left to learn"),
    ],
)
def test_what_cannot_be_is_said_with_what_there_is(
    layers: int, modules: list[str], extra: list[str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        choose_trainable(NAMES, layers, modules, extra)
