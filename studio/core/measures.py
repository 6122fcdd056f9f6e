"""What can be drawn of a run: which measures belong into one plot, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """One thing that is measured: `panel` names the plot it shares with others of its unit.

    What is measured seldom, or by a rule, is never smoothed.
    """

    name: str
    panel: str

    @property
    def is_noisy(self) -> bool:
        return not self.name.startswith("eval_") and self.name not in ("learning_rate", "disk_free")


MEASURES = tuple(
    Measure(name, panel)
    for panel, names in (
        ("loss", ("loss", "eval_loss", "sigmoid_loss", "sft_loss")),
        ("ppl", ("ppl", "eval_ppl")),
        ("learning_rate", ("learning_rate",)),
        ("grad_norm", ("grad_norm", "global_grad_norm", "global_norm")),
        ("tokens_per_s", ("tokens_per_s",)),
        ("step_s", ("step_s",)),
        ("margins", ("rewards/margins", "eval_rewards/margins")),
        ("accuracies", ("rewards/accuracies", "eval_rewards/accuracies")),
        (
            "rewards",
            ("rewards/chosen", "rewards/rejected", "eval_rewards/chosen", "eval_rewards/rejected"),
        ),
        ("logps", ("logps/chosen", "logps/rejected", "eval_logps/chosen", "eval_logps/rejected")),
        ("share", ("cpu", "gpu_use")),
        ("memory", ("memory", "gpu_memory", "cpu_used_memory")),
        ("disk_free", ("disk_free",)),
        ("gpu_temperature", ("gpu_temperature",)),
        ("gpu_power", ("gpu_power",)),
    )
    for name in names
)
MEASURES_BY_NAME = {measure.name: measure for measure in MEASURES}
PANELS = tuple(dict.fromkeys(measure.panel for measure in MEASURES))
# What says the same again: the engine's own bookkeeping, and times of which `step_s` tells the essence.
UNTOLD = frozenset(
    {
        "progress_or_epoch",
        "interval_runtime",
        "interval_samples_per_second",
        "interval_steps_per_second",
        "cpu_available_memory",
        "eval_runtime",
        "eval_samples_per_second",
        "eval_steps_per_second",
    }
)


def find_measure(name: str) -> Measure:
    """What is known of a measure; one that only the engine knows has a plot of its own.

    `gpu_use:1` is that of one GPU among several.
    """
    return MEASURES_BY_NAME.get(name.partition(":")[0]) or Measure(name, name)


def panels_of(names: Iterable[str]) -> dict[str, list[str]]:
    """The plots that can be drawn of these measures, the well-known first, each with its measures."""
    ranks = {measure.name: rank for rank, measure in enumerate(MEASURES)}
    offered = [name for name in names if name not in UNTOLD]
    ordered = sorted(offered, key=lambda name: (ranks.get(find_measure(name).name, len(ranks)), name))
    panels: dict[str, list[str]] = {}
    for name in ordered:
        panels.setdefault(find_measure(name).panel, []).append(name)
    return panels
