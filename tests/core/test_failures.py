"""Failures that the real engine was driven into are told in words, each with its way out."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from studio.core.options import default_options
from studio.core.paddleformers.failures import SIGNATURES, UNMET, UNSIGNED, diagnose
from studio.core.paddleformers.remedies import find_remedy
from studio.core.request import TrainRequest
from studio.errors import Problem
from studio.texts import LANGUAGES, word_problem

RECORDED = Path(__file__).parents[1] / "fake" / "recorded" / "failures"
# By the name of the record: the cause, and what its text must name.
CAUSES: Mapping[str, tuple[str, str]] = {
    "unknown_key": ("unknown_key", "foo"),
    "text_for_a_number": ("text_for_a_number", "learning rate"),
    "unknown_stage": ("unknown_task", "sft"),
    "unknown_precision": ("unknown_precision", "float8"),
    "unknown_optimizer": ("unknown_optimizer", "sgdd"),
    "unknown_scheduler": ("unknown_scheduler", "cosinus"),
    "unknown_loss": ("unknown_loss", "kto"),
    "unknown_template": ("unknown_template", "nothing"),
    "model_missing": ("model_gone", "/nowhere/model"),
    "weights_missing": ("weights_missing", "model.embed_tokens.weight"),
    "weights_cut": ("weights_broken", "incomplete metadata"),
    "config_broken": ("config_broken", "/home/me/studio/spoilt/config.json"),
    "config_missing": ("config_missing", "/home/me/studio/spoilt"),
    "architecture_unknown": ("architecture_unknown", "mamba9"),
    "needs_paddlefleet": ("needs_paddlefleet", "paddlefleet_ops"),
    "module_missing": ("module_missing", "nothing_like_it"),
    "tokenizer_missing": ("tokenizer_missing", "tokenizer"),
    "tokenizer_too_large": ("tokenizer_too_large", "4608"),
    "data_missing": ("data_gone", "/nowhere/train.jsonl"),
    "eval_data_missing": ("data_gone", "/nowhere/eval.jsonl"),
    "data_empty": ("data_empty", "row"),
    "paths_without_types": ("paths_differ", "data files"),
    "random_without_steps": ("random_needs_steps", "steps"),
    "no_such_module": ("no_such_module", "c_attn"),
    "adapter_missing": ("adapter_gone", "/nowhere/adapter"),
    "pickle_with_code": ("pickle_refused", "posix.system"),
    "no_gpu": ("gpu_build_missing", "requirements-gpu.txt"),
    "attention_needs_gpu": ("attention_needs_gpu", "attention"),
    "kernel_missing": ("kernel_missing", "fused_rms_norm_ext"),
    "half_a_checkpoint": ("checkpoint_torn", "checkpoint-1/model_state"),
    "output_is_a_file": ("output_unusable", "/home/me/studio/file/out"),
    "hook_missing": ("hook_gone", "/nowhere/hook.py"),
    "strategies_differ": ("strategies_differ", "best model"),
    "not_a_number": ("not_a_number", "learning rate"),
    "infinite_loss": ("not_a_number", "learning rate"),
    "loss_spike": ("loss_spike", "jumped to"),
    "out_of_memory": ("out_of_memory", "536870912"),
    "file_too_large": ("file_too_large", "ulimit"),
    "disk_full": ("disk_full", "full"),
    "killed": ("killed", "SIGKILL"),
    "segmentation_fault": ("killed", "SIGSEGV"),
}


def recorded(name: str) -> tuple[int, str]:
    first, _, log = (RECORDED / f"{name}.txt").read_text(encoding="utf-8").partition("\n")
    return int(first.removeprefix("exit ")), log


@pytest.mark.parametrize("name", [path.stem for path in sorted(RECORDED.glob("*.txt"))])
def test_a_failure_that_was_met_is_told_in_words(name: str) -> None:
    code, named = CAUSES[name]
    cause = diagnose(*recorded(name))
    assert cause.code == code
    assert named in word_problem(cause, "en")
    for language in LANGUAGES:
        assert "{" not in word_problem(cause, language)


def test_every_signature_was_met() -> None:
    met = {diagnose(*recorded(path.stem)).code for path in RECORDED.glob("*.txt")}
    assert {signature.code for signature in SIGNATURES} == (met | UNMET) - set(UNSIGNED)
    assert len(met) >= 20


@pytest.mark.parametrize(
    "said",
    [
        "on GPU 1. Cannot allocate 98.000244MB memory on GPU 1, 6.000000GB memory has been allocated and available memory is only 2.500000MB.\n\nPlease check whether",
        "on GPU 1. Cannot allocate 98.000244MB memory on GPU 1, available memory is only 2.500000MB.\n\nPlease",
        "on GPU Virtual Memory 1. Cannot allocate 98.000244MB memory on GPU Virtual Memory 1, 6GB memory has been allocated and available memory is only 2.500000MB.\n\n",
    ],
)
def test_a_full_gpu_is_told_by_what_paddles_source_prints(said: str) -> None:
    cause = diagnose(
        1,
        f"Traceback (most recent call last):\nMemoryError: \n\nResourceExhaustedError: \n\nOut of memory error {said}",
    )
    assert cause == Problem("", "gpu_out_of_memory", {"device": "1", "given": "98.000244MB", "known": "2.500000MB"})
    assert "GPU 1" in word_problem(cause, "zh")


def test_a_run_that_went_well_has_no_signature() -> None:
    log = (RECORDED.parent / "log.txt").read_text(encoding="utf-8")
    assert [signature.code for signature in SIGNATURES if signature.pattern.search(log)] == []


def test_an_unknown_failure_keeps_its_last_words() -> None:
    log = "Traceback (most recent call last):\n  File x\nKeyError: 'a'\nmymodule.OddError: nobody knows this\n"
    assert diagnose(1, log) == Problem("", "engine_error", {"reason": "mymodule.OddError: nobody knows this"})
    # Paddle's own errors say what is wrong some lines below their kind.
    paddles = (
        "Error Message Summary:\n---\nOddError: \n\nNobody knows this, either.\nPlease check.\n (at x.cc:86)\n"
    )
    assert diagnose(1, paddles) == Problem("", "engine_error", {"reason": "OddError: Nobody knows this, either."})
    assert diagnose(1, "KeyboardInterrupt\n") == Problem("", "engine_error", {"reason": "KeyboardInterrupt"})
    assert diagnose(1, "OddError:\n\n") == Problem("", "engine_error", {"reason": "OddError:"})
    assert diagnose(3, "nothing said") == Problem("", "engine_failed", {"exit_code": 3})
    assert diagnose(-9, "", memory_kill=True).code == "killed_for_memory"


def asked(**fields: object) -> TrainRequest:
    options = {**default_options(), **fields.pop("options", {})}  # type: ignore[dict-item]
    return TrainRequest(model="m", datasets=("d",), name="run", options=options, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cause", "before", "changes"),
    [
        (
            Problem("", "out_of_memory"),
            asked(options={"per_device_train_batch_size": "16"}),
            {"per_device_train_batch_size": ("16", 8), "gradient_accumulation_steps": (1, 2)},
        ),
        # As many rows before an update as before, also of an odd batch.
        (
            Problem("", "killed_for_memory"),
            asked(options={"per_device_train_batch_size": 3, "gradient_accumulation_steps": 2}),
            {"per_device_train_batch_size": (3, 1), "gradient_accumulation_steps": (2, 6)},
        ),
        (
            Problem("", "out_of_memory"),
            asked(options={"per_device_train_batch_size": 1, "max_seq_len": 512}),
            {"max_seq_len": (512, 256)},
        ),
        (Problem("", "not_a_number"), asked(options={"learning_rate": "1"}), {"learning_rate": ("1", 0.1)}),
        (
            Problem("", "loss_spike"),
            asked(options={"learning_rate": 0.1, "max_grad_norm": 0.0}),
            {"learning_rate": (0.1, 0.01), "max_grad_norm": (0.0, 1.0)},
        ),
        (
            Problem("", "unknown_key", {"given": "foo', 'bar"}),
            asked(extra={"foo": 1, "bar": 2, "neftune": True}),
            {"foo": (1, None), "bar": (2, None)},
        ),
        (Problem("", "unknown_optimizer"), asked(extra={"optim": "sgdd"}), {"optim": ("sgdd", None)}),
        (
            Problem("", "no_such_module"),
            asked(options={"lora_target_modules": "c_attn"}),
            {"lora_target_modules": ("c_attn", "")},
        ),
        (
            Problem("", "gpu_build_missing"),
            asked(options={"device": "gpu", "compute_type": "bf16"}),
            {"device": ("gpu", "cpu"), "compute_type": ("bf16", "float32")},
        ),
    ],
)
def test_a_remedy_changes_what_the_cause_asks_for_and_nothing_else(
    cause: Problem, before: TrainRequest, changes: Mapping[str, tuple[object, object]]
) -> None:
    remedy = find_remedy(cause, before, can_resume=True)
    assert remedy is not None
    assert remedy.changes == changes
    assert not remedy.resume


def test_what_was_cut_off_goes_on_where_it_was_or_begins_again() -> None:
    for code in ("lost", "killed", "disk_full"):
        remedy = find_remedy(Problem("", code), asked(), can_resume=True)
        assert remedy is not None
        assert remedy.resume
        again = find_remedy(Problem("", code), asked(), can_resume=False)
        assert again is not None
        assert not again.resume


@pytest.mark.parametrize(
    ("code", "request_"),
    [
        ("weights_missing", asked()),
        ("engine_error", asked()),
        # There is nothing left to make smaller, and nothing of this kind that was asked for.
        ("out_of_memory", asked(options={"per_device_train_batch_size": 1, "max_seq_len": 8})),
        ("unknown_optimizer", asked()),
    ],
)
def test_where_only_a_person_can_help_no_remedy_is_made_up(code: str, request_: TrainRequest) -> None:
    assert find_remedy(Problem("", code), request_, can_resume=True) is None
