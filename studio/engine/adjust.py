"""What PaddleFormers takes and ignores, done: LoRA's alpha and target modules, and training only some layers."""

from collections.abc import Mapping, Sequence
from typing import Any

from studio.core.trainable import choose_trainable, is_in, refuse_unknown


def use_lora_settings(alpha: int | None, modules: Sequence[str]) -> None:
    """Let adapters have this alpha (None: the engine's own), and these modules only (none: the engine's own)."""
    import paddle
    from paddleformers.cli.train.dpo import workflow as dpo
    from paddleformers.cli.train.sft import workflow as sft

    def chosen_modules(model: Any) -> list[str]:
        names = [name for name, layer in model.named_sublayers() if isinstance(layer, paddle.nn.Linear)]
        refuse_unknown(modules, names)
        return [name for name in names if any(is_in(name, module) for module in modules)]

    workflows: tuple[Any, ...] = (sft, dpo)
    for workflow in workflows:
        config = workflow.LoRAConfig

        def make_config(*, config: Any = config, **keys: Any) -> Any:
            return config(**{**keys, "lora_alpha": alpha or keys["lora_alpha"]})

        workflow.LoRAConfig = make_config
        if modules:
            workflow.get_lora_target_modules = chosen_modules


def train_only(model: Any, settings: Mapping[str, Any]) -> None:
    """Freeze all parameters but those chosen; before the trainer collects what its optimiser changes."""
    parameters = dict(model.named_parameters())
    trainable = choose_trainable(parameters, settings["layers"], settings["modules"], settings["extra"])
    for name, parameter in parameters.items():
        parameter.stop_gradient = name not in trainable
    learning = sum(parameters[name].size for name in trainable)
    total = sum(parameter.size for parameter in parameters.values())
    print(f"trainable parameters: {learning} of {total} ({learning / total:.2%}), {len(trainable)} tensors")
