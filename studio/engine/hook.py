"""Our door into the engine: PaddleFormers runs this file when `custom_register_path` names it.

It applies the fixes and adds one trainer callback, which appends `<output_dir>/studio/metrics.jsonl`,
reports phases, and saves and stops when `<output_dir>/studio/stop` appears or SIGTERM comes. `hook.json` beside
the config says what else it does. Without that one key the config is a plain PaddleFormers config.
"""

import json
import math
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any, TextIO

# Under the distributed launcher the working directory is not on the module path.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from paddleformers.trainer import trainer as engine_trainer
from paddleformers.trainer.trainer_callback import TrainerCallback

from studio.core.metrics import read_metric
from studio.core.runs import LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT, checkpoint_steps
from studio.core.watch import Alarm, Watch, outdated_checkpoints
from studio.engine.adjust import train_only, use_lora_settings
from studio.engine.fixes import apply_fixes

DISK_S = 10.0
TOKENS_PER_S = "interval_tokens_per_second_per_device"


def _read_settings() -> dict[str, Any]:
    """`hook.json` beside the config that the engine was started with; an export has none."""
    for argument in sys.argv[1:]:
        if argument.endswith(".yaml"):
            path = Path(argument).with_name("hook.json")
            return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {}


SETTINGS = _read_settings()


class StudioCallback(TrainerCallback):
    """Writes what happens, a line each, and stops the run when asked."""

    def __init__(self) -> None:
        self._file: TextIO | None = None
        self._folder = Path()
        self._terminated = False
        self._phase = ""
        self._watch = Watch(**SETTINGS.get("watch", {}))
        self._alarmed = False
        self._smallest: Any = None
        self._looked_at_disk = 0.0

    def on_init_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if "train_only" in SETTINGS:
            train_only(model, SETTINGS["train_only"])

    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        self._folder = Path(args.output_dir) / "studio"
        signal.signal(signal.SIGTERM, self._on_terminate)
        if state.is_world_process_zero:
            (self._folder / "last-step").unlink(missing_ok=True)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = (self._folder / "metrics.jsonl").open("a", encoding="utf-8")
            if lora := getattr(model, "lora_config", None):
                # Checkpoints to go on from lack it, and a run that is cut off leaves nothing else.
                lora.save_pretrained(str(self._folder))
        if state.global_step:
            # Every rank judges evaluations, and all must judge alike.
            self._recall_best(state.global_step)
        self._write("begin", state, total_steps=state.max_steps, devices=args.world_size)
        self._enter("training", state)

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._enter("training", state)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> Any:
        if self._shall_stop(args, state):
            self._enter("saving", state)
            control.should_save = True
            control.should_training_stop = True
        limit = SETTINGS.get("min_free_bytes", 0)
        if limit and time.monotonic() - self._looked_at_disk > DISK_S:
            self._looked_at_disk = time.monotonic()
            free = shutil.disk_usage(self._folder).free
            if free < limit:
                self._stop_for(Alarm("disk_low", {"free": f"{free / 1e9:.1f}"}), args, state, control)
        return control

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, model: Any = None, **_: Any) -> Any:
        numbers = _numbers(logs)
        # The summary after the last step repeats averages under the same names' prefix; it is no step.
        if "loss" in numbers:
            if TOKENS_PER_S in numbers:
                numbers["tokens_per_s"] = numbers.pop(TOKENS_PER_S)
            self._write("log", state, **numbers)
            # On a CPU the engine's loss of weights that are no numbers is that of a model that knows nothing.
            loss = numbers["loss"] if self._weights_are_numbers(model) else math.nan
            self._stop_for(self._watch.see_loss(state.global_step, loss), args, state, control)
        return control

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> Any:
        numbers = _numbers(metrics)
        self._write("eval", state, **numbers)
        self._enter("training", state)
        if "eval_loss" in numbers and self._watch.patience:
            before = self._watch.best_step
            alarm = self._watch.see_evaluation(state.global_step, numbers["eval_loss"])
            if self._watch.best_step != before:
                # The best so far is kept as a checkpoint that loads, whatever the saving interval.
                control.should_save_hf = True
            self._stop_for(alarm, args, state, control)
        return control

    def on_prediction_step(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._enter("evaluating", state)

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._write("save", state)

    def on_save_hf(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """The engine counts only the checkpoints that resume; those that load are counted here."""
        if not state.is_world_process_zero:
            return
        folder = self._folder.parent
        names = [path.name for path in folder.iterdir()]
        loadable, resumable = (
            checkpoint_steps(form, names) for form in (LOADABLE_CHECKPOINT, RESUMABLE_CHECKPOINT)
        )
        for step in outdated_checkpoints(loadable, resumable, self._watch.best_step):
            shutil.rmtree(folder / f"hf_checkpoint-{step}", ignore_errors=True)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._enter("saving", state)
        self._write("end", state)

    def _weights_are_numbers(self, model: Any) -> bool:
        # Looking for it takes longer than looking at it.
        if self._smallest is None:
            self._smallest = _smallest_weight(model)
        return self._smallest is None or bool(self._smallest.astype("float32").isfinite().all())

    def _shall_stop(self, args: Any, state: Any) -> bool:
        """Whether the run ends after this step.

        Ranks that left at different steps would wait for each other for ever. So the first one, which alone looks
        at files and signals, names a step that none of them can have passed: a step ends when all have taken it.
        """
        asked = self._terminated or (self._folder / "stop").exists()
        if args.world_size == 1:
            return asked
        last = self._folder / "last-step"
        if state.is_world_process_zero and asked and not last.exists():
            self._name_last_step(last, state.global_step + 2)
        return last.exists() and state.global_step >= int(last.read_text())

    def _name_last_step(self, path: Path, step: int) -> None:
        partial = path.with_suffix(".partial")
        partial.write_text(str(step))
        partial.replace(path)

    def _stop_for(self, alarm: Alarm | None, args: Any, state: Any, control: Any) -> None:
        """Stop in order, and say why; at once where what has been learnt is worth nothing."""
        if alarm is None or self._alarmed:
            return
        self._alarmed = True
        self._write("alarm", state, code=alarm.code, values=dict(alarm.values))
        if not alarm.save:
            raise FloatingPointError(f"{alarm.code}: {dict(alarm.values)}")
        if args.world_size > 1:
            # As if somebody had asked for it; the first rank sees it at the end of the step.
            self._terminated = True
            return
        control.should_save = True
        control.should_training_stop = True

    def _recall_best(self, step: int) -> None:
        """The best evaluation before a run was resumed, so that a worse one does not take its place."""
        path = self._folder / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        for record in filter(None, map(read_metric, lines)):
            if record["kind"] == "eval" and record.get("step", 0) <= step:
                self._watch.recall(record["step"], record.get("eval_loss", math.inf))

    def _on_terminate(self, *_: Any) -> None:
        self._terminated = True

    def _enter(self, phase: str, state: Any) -> None:
        if phase != self._phase:
            self._phase = phase
            self._write("phase", state, phase=phase)

    def _write(self, kind: str, state: Any, **values: Any) -> None:
        if self._file is None:
            return
        record = {"kind": kind, "time": time.time(), "step": state.global_step, **values}
        self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
        self._file.flush()


def _smallest_weight(model: Any) -> Any:
    """Of what learns: one gradient that is no number makes all that learn so, so the smallest tells."""
    learning = [parameter for parameter in model.parameters() if not parameter.stop_gradient]
    return min(learning, key=lambda parameter: parameter.size, default=None)


def _numbers(logs: Any) -> dict[str, float]:
    """The numeric entries; the step is ours, and a NaN is kept (as JSON's NaN), since it is the news."""
    kept: dict[str, float] = {}
    for name, value in (logs or {}).items():
        if name in ("global_step", "step", "time", "kind") or isinstance(value, bool):
            continue
        try:
            kept[name] = float(value)
        except (TypeError, ValueError):
            continue
    return kept


apply_fixes()
if SETTINGS.get("lora_alpha") or SETTINGS.get("lora_target_modules"):
    use_lora_settings(SETTINGS["lora_alpha"], SETTINGS["lora_target_modules"])
if not any(callback is StudioCallback for callback in engine_trainer.DEFAULT_CALLBACKS):
    engine_trainer.DEFAULT_CALLBACKS.append(StudioCallback)  # pyright: ignore[reportArgumentType]
