"""Why a run failed, by what PaddleFormers 1.2.0, paddlepaddle 3.3.1 and the system leave behind.

Each signature was met: `scripts/record_failures` provokes it, and `tests/fake/recorded/failures` keeps what was
printed. Those in `UNMET` need a machine that was not at hand, and follow the text in the source of Paddle.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass

from studio.errors import Problem

LAST_WORDS = 500
# Paddle's own errors say what is wrong some lines below their kind.
ERROR_LINE = re.compile(r"^\s*(?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b(?::[ \t]*\n\s*\S.*|.*)", re.MULTILINE)
# Where reading of a long log begins: what Python, Paddle and a shell print first when something went wrong.
ERROR_WORDS = (
    b"Traceback",
    b"ERROR",
    b"Error",
    b"Exception",
    b"Segmentation fault",
    b"Out of memory",
    b"core dumped",
)
FIRST_ERROR = re.compile(
    rb"^Traceback \(most recent call last\)|\bERROR\b|^\s*(?:\w+\.)*\w*(?:Error|Exception)\b"
    rb"|C\+\+ Traceback|Segmentation fault|Out of memory|core dumped",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Signature:
    """What in a log tells a failure; named groups become the values of its text."""

    code: str
    pattern: re.Pattern[str]


def _said(code: str, pattern: str) -> Signature:
    return Signature(code, re.compile(pattern))


# In the order in which they are looked for: what is particular before what is general.
SIGNATURES: tuple[Signature, ...] = (
    # Our own hook ends a run whose weights are worth nothing.
    _said("not_a_number", r"FloatingPointError: not_a_number|Loss contains inf or nan values"),
    _said(
        "loss_spike", r"loss_spike: \{'step': (?P<step>\d+), 'loss': '(?P<loss>.+?)', 'usual': '(?P<usual>.+?)'\}"
    ),
    _said("unknown_key", r"not used by the PdArgumentParser: \{(?P<given>.*?)\}"),
    _said(
        "text_for_a_number", r"TypeError: The type of (?P<given>[\w ]+) must be float, but received <class 'str'>"
    ),
    _said("unknown_task", r"ValueError: Unknown task: (?P<given>.+?)\.\s"),
    _said("unknown_precision", r"ValueError: Unknown compute_type: (?P<given>\S+)"),
    _said("unknown_loss", r"ValueError: Unknown loss type: (?P<given>\S+)"),
    _said("unknown_template", r"ValueError: Template (?P<given>\S+) does not exist"),
    _said("unknown_optimizer", r"ValueError: (?P<given>\S+) is not a valid OptimizerNames.*?\[(?P<known>.*?)\]"),
    _said("unknown_scheduler", r"ValueError: (?P<given>\S+) is not a valid SchedulerType.*?\[(?P<known>.*?)\]"),
    _said("model_gone", r"HFValidationError: Repo id must be .*?: '(?P<given>.+?)'\."),
    _said("weights_missing", r"ValueError: (?P<given>\S+) should be assigned before!"),
    _said("weights_broken", r"SafetensorError: (?P<reason>.+)"),
    _said("config_broken", r"OSError: Config file<'(?P<given>.+?)'> is not a valid JSON file"),
    _said(
        "config_missing",
        r"FileNotFoundError: please make sure one of the \['config\.json'.*? under the dir (?P<given>\S+)",
    ),
    _said("architecture_unknown", r"has model type `(?P<given>.+?)` but Transformers does not recognize"),
    _said("needs_paddlefleet", r"(?:No module named '|)(?P<given>paddlefleet\w*)(?:' |'\n|'$| is required)"),
    # Our own fix lets pickles hold data only.
    _said("pickle_refused", r"RefusedPickle: refused_pickle: it names (?P<given>\S+),"),
    _said("module_missing", r"(?:ModuleNotFoundError|ImportError): (?P<reason>.+)"),
    _said("tokenizer_missing", r"AttributeError: '\w+' object has no attribute 'tokenizer_class'"),
    _said("tokenizer_too_large", r"received ids\[i\]:(?P<given>\d+) >= row_number:(?P<known>\d+)"),
    _said("data_empty", r"ValueError: Invalid max_steps: 0"),
    _said("data_gone", r"FileNotFoundError: file (?P<given>.+?) not exists"),
    _said("paths_differ", r"ValueError: The len of dataset path, prob, type are inconsistent"),
    _said("random_needs_steps", r"ValueError: When using 'random' mix_strategy, max_steps must be explicitly set"),
    _said("no_such_module", r"ValueError: (?P<given>\S+) is no module of this model; there are (?P<known>.+)"),
    _said("adapter_gone", r"ValueError: Can't find lora_config\.json at '(?P<given>.+?)'"),
    _said("gpu_build_missing", r"The device should not be 'gpu', since PaddlePaddle is not compiled with CUDA"),
    _said("attention_needs_gpu", r"Flag FLAGS_cudnn_deterministic cannot get its value"),
    _said("kernel_missing", r"The kernel `(?P<given>\w+)` is not registered"),
    # paddle/phi/core/memory/allocation/cuda_allocator.cc and its neighbours, "virtual" in one of them.
    _said(
        "gpu_out_of_memory",
        r"Out of memory error on GPU .*?(?P<device>\d+)\. Cannot allocate (?P<given>\S+) memory"
        r".*?available memory is only (?P<known>\S+?)\.\s",
    ),
    _said("out_of_memory", r"MemoryError: (?P<reason>.+)"),
    _said("disk_full", r"OSError: \[Errno 28\] No space left on device"),
    _said("file_too_large", r"OSError: \[Errno 27\] File too large"),
    _said("output_unusable", r"NotADirectoryError: \[Errno 20\] Not a directory: '(?P<given>.+?)'"),
    _said("hook_gone", r"Failed to load custom templates from (?P<given>\S+): \[Errno 2\]"),
    _said("strategies_differ", r"--load_best_model_at_end requires the save and eval strategy to match"),
    _said("checkpoint_torn", r"AssertionError: Found no metadata files in (?P<given>\S+)"),
)

# Nobody has seen them fail yet; tests hold them to the source's own words.
UNMET = frozenset({"gpu_out_of_memory"})

# What is told without a signature in the log: by the exit status, the processes, or a watchdog.
UNSIGNED = (
    "killed_for_memory",
    "killed",
    "engine_error",
    "engine_failed",
    "lost",
    "silent",
    "log_flood",
    "nothing_written",
    "no_improvement",
    "disk_low",
)


def diagnose(exit_code: int, log: str, *, memory_kill: bool = False) -> Problem:
    """The cause of a failure: by the log's last errors, or by the signal that ended it.

    `memory_kill` says that the kernel killed a process for memory meanwhile. Of an unknown failure the last words
    are kept.
    """
    if exit_code == -signal.SIGKILL and memory_kill:
        return Problem("", "killed_for_memory")
    for signature in SIGNATURES:
        matches = list(signature.pattern.finditer(log))
        if matches:
            return Problem("", signature.code, _values(matches[-1].groupdict()))
    if exit_code < 0:
        return Problem("", "killed", {"signal": signal.Signals(-exit_code).name})
    errors = ERROR_LINE.findall(log)
    if errors:
        return Problem("", "engine_error", {"reason": " ".join(errors[-1].split())[:LAST_WORDS]})
    return Problem("", "engine_failed", {"exit_code": exit_code})


def _values(groups: Mapping[str, str | None]) -> dict[str, object]:
    # Lists come as Python prints them.
    return {name: text.replace("'", "").strip()[:LAST_WORDS] for name, text in groups.items() if text}
