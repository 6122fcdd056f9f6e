"""What a person asked to be trained."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """One training run as asked for: raw values, checked later and all at once by `find_problems`.

    `model` is a folder, `adapter` that of a LoRA adapter to go on with; `options` go by the names of the option
    table; `extra` holds further engine keys; `drop_faulty` trains on the sound rows of datasets that have faulty
    ones too.
    """

    model: str
    stage: str = "SFT"
    method: str = "full"
    datasets: tuple[str, ...] = ()
    eval_dataset: str | None = None
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    extra: Mapping[str, object] = field(default_factory=dict[str, object])
    name: str = ""
    drop_faulty: bool = False
    adapter: str = ""

    def with_options(self, **options: object) -> "TrainRequest":
        """The same request with some options changed."""
        return replace(self, options={**self.options, **options})

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "datasets": list(self.datasets)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "TrainRequest":
        fields: dict[str, Any] = {**stored, "datasets": tuple(stored["datasets"])}
        return cls(**fields)
