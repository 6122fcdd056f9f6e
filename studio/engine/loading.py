"""Load models and LoRA adapters from every folder that a run leaves, inside a PaddlePaddle process."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from studio.core.runs import RESUMABLE_CHECKPOINT
from studio.engine.generation import LoadedModel
from studio.engine.pickles import RefusedPickle
from studio.errors import StudioError

WEIGHTS_FORMAT = "flex_checkpoint"
LORA_CONFIG = "lora_config.json"
MODEL_CONFIG = "config.json"
DEFAULT_CONTEXT = 2048
# Layers of a model by their place in it.
Layers = Mapping[str, Any]
# What the engine says of a model class that it does not have.
UNKNOWN_CLASS = re.compile(
    r"Unrecognized|not supported|Cannot find|No module named|Unable to parse|does not recognize"
)


class AdaptedModel(LoadedModel):
    """A base with any number of LoRA adapters, of which a request picks one, several added up, or none.

    The engine puts one set of LoRA layers into a model. Here each adapter's layers are kept beside the base's own,
    whose weights they share, and are put in their places when a request asks for them: that takes no time worth
    speaking of, and the base's weights are never touched. Adding and putting in place belong to the thread that
    generates; looking up and removing may happen in any.
    """

    def __init__(self, model: Any, tokenizer: Any, context: int, folder: Path) -> None:
        super().__init__(model, tokenizer, context)
        self.folder = folder
        self._own: dict[str, Any] = {}
        self._adapters: dict[str, Layers] = {}
        self._stamps: dict[str, object] = {}
        self._in_place: Layers = {}

    def adapters(self) -> list[str]:
        return list(self._adapters)

    def layers_of(self, name: str) -> Layers:
        """The layers of an adapter, none for the empty name; they stay what they are when it is removed meanwhile.

        Raises KeyError.
        """
        return self._adapters[name] if name else {}

    def add_adapter(self, name: str, folders: Sequence[Path]) -> None:
        """Keep an adapter, or the sum of several, under a name; read again only where its files are others.

        Raises StudioError.
        """
        stamp = [(folder, _newest(folder)) for folder in folders]
        if self._stamps.get(name) == stamp:
            return
        self.put_in_place({})
        layers = [self._read_adapter(folder) for folder in folders]
        places = dict.fromkeys(place for found in layers for place in found)
        self._adapters[name] = {
            place: _sum_layers([found[place] for found in layers if place in found]) for place in places
        }
        self._stamps[name] = stamp

    def remove_adapter(self, name: str) -> None:
        """Forget an adapter; who asked for it before is still answered by it. Raises KeyError."""
        del self._adapters[name]
        del self._stamps[name]

    def put_in_place(self, layers: Layers) -> None:
        """Answer with these layers from now on; none are the base alone."""
        if layers is self._in_place:
            return
        for place, layer in {**self._own, **layers}.items():
            _put_layer(self.model, place, layer)
        self._in_place = layers

    def _read_adapter(self, folder: Path) -> Layers:
        from paddleformers.peft import LoRAConfig, LoRAModel
        from paddleformers.peft.lora.lora_model import AVAILABLE_LAYERS

        config_path = _find_beside(folder, LORA_CONFIG)
        if config_path is None:
            raise StudioError("not_an_adapter", "adapters", given=str(folder))
        before = dict(self.model.named_sublayers())
        try:
            told = json.loads(config_path.read_text(encoding="utf-8"))
            _refuse_other_base(folder, told.get("base_model_name_or_path"), self.folder)
            if told.get("trainable_modules"):
                # Their weights would stand in the base's place for every request.
                raise StudioError("adapter_with_weights", "adapters", given=str(folder))
            if RESUMABLE_CHECKPOINT.fullmatch(folder.name):
                wrapped = LoRAModel(self.model, LoRAConfig.from_pretrained(str(config_path.parent)))
                _read_state(wrapped, folder)
            else:
                wrapped = LoRAModel.from_pretrained(
                    self.model, lora_path=str(folder), load_checkpoint_format=WEIGHTS_FORMAT
                )
            wrapped.eval()
            layers = {
                place: layer
                for place, layer in self.model.named_sublayers()
                if isinstance(layer, tuple(AVAILABLE_LAYERS))
            }
            for layer in layers.values():
                # An adapter may have been trained in another precision than its base is held in.
                _set_factors(layer, layer.lora_A, layer.lora_B)
        except StudioError:
            raise
        except RefusedPickle as error:
            raise StudioError("pickle_refused", "adapters", given=error.named) from error
        except Exception as error:
            raise StudioError("broken_weights", "adapters", path=str(folder), reason=_short(error)) from error
        finally:
            for place, layer in self.model.named_sublayers():
                if place in before and layer is not before[place]:
                    self._own.setdefault(place, before[place])
            for place, layer in self._own.items():
                _put_layer(self.model, place, layer)
        return layers


def load_model(folder: Path, adapters: Sequence[Path] = ()) -> AdaptedModel:
    """Load a model folder, or a run's checkpoint, and put LoRA adapters on it. Raises StudioError."""
    from studio.engine.fixes import apply_fixes

    apply_fixes()
    import paddle
    from paddleformers.transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    on_cpu = not paddle.is_compiled_with_cuda()
    if on_cpu:
        paddle.set_device("cpu")
    state = RESUMABLE_CHECKPOINT.fullmatch(folder.name) is not None
    source = _base_of(folder) if state else folder
    if not (source / MODEL_CONFIG).is_file():
        raise StudioError("not_a_model", "model", given=str(folder), missing=MODEL_CONFIG)
    try:
        config: Any = AutoConfig.from_pretrained(str(source))
        if on_cpu:
            config._attn_implementation = "eager"
        model = AutoModelForCausalLM.from_pretrained(
            str(source),
            config=config,
            load_checkpoint_format=WEIGHTS_FORMAT,
            dtype="float32" if on_cpu else "bfloat16",
        )
        if state:
            _read_state(model, folder)
        tokenizer = AutoTokenizer.from_pretrained(str(source))
    except RefusedPickle as error:
        raise StudioError("pickle_refused", "model", given=error.named) from error
    except Exception as error:
        raise _refusal(folder, source, error) from error
    model.eval()
    model.config.use_cache = True
    context = int(getattr(config, "max_position_embeddings", DEFAULT_CONTEXT))
    loaded = AdaptedModel(model, tokenizer, context, source)
    if adapters:
        always = " + ".join(adapter.name for adapter in adapters)
        loaded.add_adapter(always, adapters)
        loaded.put_in_place(loaded.layers_of(always))
    return loaded


def _read_state(model: Any, checkpoint: Path) -> None:
    """Weights as training keeps them to go on from: sharded, and without a config."""
    import paddle.distributed as dist

    dist.load_state_dict(model.sharded_state_dict(), str(checkpoint / "model_state"))


def _base_of(checkpoint: Path) -> Path:
    """The model that a full run began with: what its checkpoint lacks is the same there."""
    try:
        asked = json.loads((checkpoint.parent / "studio" / "request.json").read_text(encoding="utf-8"))
        return Path(asked["request"]["model"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StudioError("not_a_model", "model", given=str(checkpoint), missing=MODEL_CONFIG) from error


def _find_beside(folder: Path, name: str) -> Path | None:
    """A file of a checkpoint: its own, what the run wrote down at its beginning, or that of its final weights."""
    places = [folder]
    if RESUMABLE_CHECKPOINT.fullmatch(folder.name):
        places += [folder.parent / "studio", folder.parent]
    return next((place / name for place in places if (place / name).is_file()), None)


def _put_layer(model: Any, place: str, layer: Any) -> None:
    parent = model
    *path, leaf = place.split(".")
    for name in path:
        parent = getattr(parent, name)
    setattr(parent, leaf, layer)


def _sum_layers(layers: Sequence[Any]) -> Any:
    """One LoRA layer that does what several do to the same weights: their factors side by side.

    B₁A₁·s₁ + B₂A₂·s₂ is one product of rank r₁ + r₂ with the scales taken into B.
    """
    import paddle

    if len(layers) == 1:
        return layers[0]
    kind, first = type(layers[0]), layers[0]
    in_features, out_features = first.weight.shape
    bias = None if first.bias is not None else False
    rank = sum(layer.r for layer in layers)
    total = kind(in_features, out_features, r=rank, lora_alpha=rank, bias_attr=bias)
    total.weight, total.bias = first.weight, first.bias
    _set_factors(
        total,
        paddle.concat([layer.lora_A for layer in layers], axis=1),
        paddle.concat([layer.lora_B * layer.scaling for layer in layers], axis=0),
    )
    total.eval()
    return total


def _set_factors(layer: Any, first: Any, second: Any) -> None:
    """A LoRA layer's two factors, in the precision of the weight that they are added to."""
    from paddle.base.framework import EagerParamBase

    for name, value in (("lora_A", first), ("lora_B", second)):
        if value is not getattr(layer, name) or value.dtype != layer.weight.dtype:
            setattr(layer, name, EagerParamBase.from_tensor(value.astype(layer.weight.dtype)))


def _newest(folder: Path) -> float:
    """When a folder's files were last written; a run that goes on leaves other weights in the same place."""
    return max((path.stat().st_mtime for path in folder.iterdir() if path.is_file()), default=0.0)


def _refuse_other_base(adapter: Path, told: str | None, base: Path) -> None:
    if told and Path(told).resolve() != base.resolve() and not _same_shape(Path(told), base):
        raise StudioError("adapter_of_other_base", "adapters", adapter=adapter.name, expected=told, given=str(base))


def _same_shape(first: Path, second: Path) -> bool:
    """Whether two bases have the same layers: a copy or a moved folder is no other base."""
    shapes: list[Any] = []
    for folder in (first, second):
        try:
            config = json.loads((folder / MODEL_CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            # The base that an adapter names may be gone; then only loading tells.
            return True
        names = ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size")
        shapes.append([config.get(name) for name in names])
    return shapes[0] == shapes[1]


def _refusal(folder: Path, source: Path, error: Exception) -> StudioError:
    reason = _short(error)
    try:
        config = json.loads((source / MODEL_CONFIG).read_text(encoding="utf-8"))
        kind = ", ".join(config.get("architectures") or []) or str(config.get("model_type", "?"))
    except (OSError, ValueError, AttributeError):
        kind = ""
    if kind and (isinstance(error, ImportError | KeyError) or UNKNOWN_CLASS.search(str(error))):
        return StudioError("architecture_unknown", "model", given=str(folder), architecture=kind, reason=reason)
    return StudioError("broken_weights", "model", path=str(folder), reason=reason)


def _short(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:500]
