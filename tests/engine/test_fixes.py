"""Every fix: the engine without it fails as its docstring says, and with it works."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from studio.actions.chat import ChatModels
from studio.actions.curves import read_curves
from studio.actions.datasets import add_dataset
from studio.actions.export import ExportView, start_export, wait_export
from studio.actions.runs import RunView, find_run, read_log
from studio.actions.train import free_name, prepare_run, preview_run, request_from_keys
from studio.errors import StudioError
from studio.jobs.launch import free_port
from studio.stores.home import Home
from studio.stores.models import is_model
from tests.conftest import write_jsonl
from tests.engine.conftest import SHORT, Train, fed_rows, in_engine
from tests.engine.test_chat_server import say_all

pytestmark = pytest.mark.slow
SKIP = "STUDIO_SKIP_FIXES"
Skip = Callable[[str], None]


@pytest.fixture
def skip(monkeypatch: pytest.MonkeyPatch) -> Skip:
    return lambda names: monkeypatch.setenv(SKIP, names)


def told(home: Home, view: RunView) -> str:
    assert view.state == "failed"
    return read_log(home, view.run)


def losses(home: Home, view: RunView) -> list[float]:
    assert view.state == "finished", read_log(home, view.run, 3000)
    return read_curves(home, view.run)["loss"][1]


def test_lora_evaluation(engine_home: Home, train: Train, skip: Skip) -> None:
    keys = {"fine_tuning": "LoRA", "eval_dataset": "medical_zh_eval"}
    skip("lora_evaluation")
    assert "name 'GPTModel' is not defined" in told(engine_home, train(**keys))
    skip("")
    view = train(**keys)
    assert view.state == "finished"
    assert view.eval_loss is not None


def test_dpo_reference_model(engine_home: Home, train: Train, skip: Skip) -> None:
    keys = {"stage": "DPO", "datasets": "medical_zh_preference", "max_seq_len": 128}
    skip("dpo_reference_model")
    assert "_wrap_ref_model" in told(engine_home, train(**keys))
    skip("")
    assert losses(engine_home, train(**keys))


def test_gradient_accumulation(engine_home: Home, train: Train, skip: Skip) -> None:
    keys = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 8}
    skip("gradient_accumulation")
    assert "device should be gpu" in told(engine_home, train(**keys))
    skip("")
    halves = losses(engine_home, train(**keys))
    whole = losses(engine_home, train(per_device_train_batch_size=16))
    assert halves == pytest.approx(whole, rel=0.05)


def test_resume(engine_home: Home, train: Train, skip: Skip) -> None:
    whole = train(max_steps=4, save_steps=2, name="whole")
    keys = {"max_steps": 4, "resume_from_checkpoint": f"{whole.path}/checkpoint-2"}
    skip("resume")
    assert "has no attribute '_hcg'" in told(engine_home, train(**keys))
    skip("")
    resumed = train(**keys)
    assert read_curves(engine_home, resumed.run)["loss"][0] == [3.0, 4.0]
    assert losses(engine_home, resumed) == losses(engine_home, whole)[2:]


def test_rms_norm(engine_home: Home, train: Train, skip: Skip) -> None:
    skip("rms_norm")
    assert "fused_rms_norm_ext" in told(engine_home, train())
    skip("")
    assert losses(engine_home, train())


def export(home: Home, run: RunView, to: str) -> ExportView:
    return wait_export(home, start_export(home, run.run, to=to))


def test_export(engine_home: Home, lora_run: RunView, skip: Skip) -> None:
    for fix in ("contiguous_export", "fused_qkv_export"):
        skip(fix)
        wrong = export(engine_home, lora_run, f"without-{fix}")
        assert wrong.report is not None
        assert wrong.report["verdict"] == "FAIL"
        assert "logits" in [check["name"] for check in wrong.report["checks"] if not check["passed"]]
        assert wrong.report["max_difference"] > 0.01
        assert wrong.state == "failed"
        assert wrong.cause is not None
        assert wrong.cause.code == "merge_refuted"
        # What was not proven is not offered as a model, and is nowhere else either.
        assert not Path(wrong.target).exists()
        assert list(Path(wrong.target).parent.glob(f".{wrong.name}*")) == []
    skip("")
    right = export(engine_home, lora_run, "with-fixes")
    assert right.state == "finished", right.log[-2000:]
    assert right.report is not None
    assert right.report["verdict"] == "PASS"
    assert right.report["max_difference"] < 1e-4
    assert (Path(right.target) / "config.json").is_file()


READ_LENGTHS = """
import json, sys
from pathlib import Path
from studio.core.endpoint import Sampling
from studio.engine.loading import load_model
loaded = load_model(Path(sys.argv[1]))
lengths = []
loaded.model.get_input_embeddings().register_forward_pre_hook(lambda _, ids: lengths.append(int(ids[0].shape[1])))
text = loaded.answer(loaded.encode_chat([{"role": "user", "content": "hi"}]), Sampling(max_tokens=6))
print(json.dumps({"lengths": lengths, "text": text}))
"""


def test_ernie_cache(engine_home: Home, skip: Skip) -> None:
    model = str(engine_home.models / "ernie-4.5-demo")
    skip("ernie_cache")
    slow = in_engine(READ_LENGTHS, model)
    skip("")
    quick = in_engine(READ_LENGTHS, model)
    first = slow["lengths"][0]
    assert slow["lengths"][:3] == [first, first + 1, first + 2]
    assert quick["lengths"][:3] == [first, 1, 1]
    assert quick["text"] == slow["text"]


MAKE_QWEN = """
import sys
from pathlib import Path
from studio.engine.fixes import apply_fixes
apply_fixes()
import paddle
paddle.set_device("cpu")
import paddleformers.transformers as t
from studio.engine.demo_model import build_tokenizer
tokenizer = build_tokenizer()
family = sys.argv[1]
config = getattr(t, f"{family}Config")(
    vocab_size=len(tokenizer), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, head_dim=16, max_position_embeddings=512, tie_word_embeddings=True,
    architectures=[f"{family}ForCausalLM"], eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
import importlib
modeling = importlib.import_module(f"paddleformers.transformers.{family.lower()}.modeling")
getattr(modeling, f"{family}ForCausalLM")(config).save_pretrained(sys.argv[2])
tokenizer.save_pretrained(sys.argv[2])
print("{}")
"""


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3"])
def test_qwen_without_paddlefleet(engine_home: Home, train: Train, skip: Skip, family: str) -> None:
    model = engine_home.models / family.lower()
    in_engine(MAKE_QWEN, family, str(model))
    skip("qwen_without_paddlefleet")
    assert "paddlefleet" in told(engine_home, train(model=str(model)))
    skip("")
    assert losses(engine_home, train(model=str(model)))


LOAD_AT_ONCE = """
import json, os, shutil, sys
from pathlib import Path
from studio.engine.fixes import apply_fixes
apply_fixes()
import paddle
paddle.set_device("cpu")
from paddleformers.transformers import AutoConfig, AutoModelForCausalLM
failed = 0
for round in range(int(sys.argv[2])):
    folder = shutil.copytree(sys.argv[1], f"{sys.argv[1]}-{round}")
    children = []
    for _ in range(8):
        pid = os.fork()
        if pid == 0:
            try:
                config = AutoConfig.from_pretrained(folder)
                config._attn_implementation = "eager"
                AutoModelForCausalLM.from_pretrained(
                    folder, config=config, load_checkpoint_format="flex_checkpoint", dtype="float32")
            except BaseException as error:
                import traceback; traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(pid)
    failed += any([os.waitpid(pid, 0)[1] for pid in children])
    if failed and sys.argv[3] == "until":
        break
print(json.dumps(failed))
"""


def test_concurrent_loading(fresh_model: Path, skip: Skip) -> None:
    skip("concurrent_loading")
    assert in_engine(LOAD_AT_ONCE, str(fresh_model), "20", "until") == 1
    skip("")
    assert in_engine(LOAD_AT_ONCE, str(fresh_model.rename(fresh_model.parent / "again")), "6", "all") == 0


def test_cpu_data_parallel(engine_home: Home, train: Train, skip: Skip) -> None:
    keys = {"per_device_train_batch_size": 8, "device_count": 2}
    skip("cpu_data_parallel")
    failed = train(**keys)
    assert failed.state == "failed"
    ranks = (Path(failed.path) / "studio" / "ranks").glob("workerlog.*")
    assert "No available device found" in "".join(path.read_text() for path in ranks)
    skip("")
    halves, whole = train(**keys), train(per_device_train_batch_size=16)
    assert losses(engine_home, halves) == pytest.approx(losses(engine_home, whole), rel=1e-3)


def test_system_prompts(engine_home: Home, skip: Skip, tmp_path: Path) -> None:
    rows = [{"system": "请简短。", "instruction": f"第{i}问？", "output": f"答{i}。"} for i in range(16)]
    add_dataset(engine_home, write_jsonl(tmp_path / "x.jsonl", [*rows]), "with_system")
    skip("system_prompts")
    (tmp_path / "without").mkdir()
    assert len(fed_rows(engine_home, tmp_path / "without", "with_system", num_train_epochs=2)) > 16
    skip("")
    (tmp_path / "with").mkdir()
    assert len(fed_rows(engine_home, tmp_path / "with", "with_system", num_train_epochs=2)) == 16


def run_on_two_machines(home: Home, folder: Path, **keys: Any) -> tuple[str, list[int]]:
    """Prepare a run for two machines and paste the previewed commands of both, one CPU process each.

    Only the address is another than a person may give. Returns the run, and how the commands ended.
    """
    asked = {"machines": 2, "master_addr": "first-machine", "master_port": free_port()}
    request = request_from_keys(home, {**SHORT, **keys, **asked, "name": free_name(home, "two-machines")})
    preview = preview_run(home, request)
    assert preview.problems == []
    view = prepare_run(home, request)
    _, first, second = preview.command.splitlines()
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    env = {"PATH": path, "HOME": str(folder), "PADDLEFORMERS_DIST_LOG": str(folder / "ranks")}
    env |= {SKIP: os.environ.get(SKIP, "")}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    processes = [
        subprocess.Popen(
            ["bash", "-c", text.replace("first-machine", "127.0.0.1")], env=env, start_new_session=True, **quiet
        )
        for text in (first, second.removeprefix("# 2: "))
    ]
    try:
        return view.run, [process.wait(120) for process in processes]
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_shared_folder(engine_home: Home, train: Train, skip: Skip, tmp_path: Path) -> None:
    keys = {"max_steps": 3, "learning_rate": 1e-3, "warmup_steps": 0}
    skip("shared_folder")
    assert run_on_two_machines(engine_home, tmp_path / "without", **keys)[1] != [0, 0]
    skip("")
    run, ended = run_on_two_machines(engine_home, tmp_path / "with", **keys, per_device_train_batch_size=8)
    assert ended == [0, 0]
    together = read_curves(engine_home, run)["loss"][1]
    alone = losses(engine_home, train(**keys, per_device_train_batch_size=16))
    assert together == pytest.approx(alone, rel=1e-3)
    assert is_model(Path(find_run(engine_home, run).path))


# Tells of each variable that is new in the environment.
TELL_NEW = """
import os, sys

def told(event, arguments):
    if event == "os.putenv" and arguments[0].decode() not in os.environ:
        sys.stderr.write(f"new variable {arguments[0].decode()}\\n")

sys.addaudithook(told)
"""


def test_step_variable(
    engine_home: Home, train: Train, skip: Skip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(TELL_NEW)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def new_in_training() -> bool:
        return "new variable" in read_log(engine_home, train().run, 100_000).partition("Running training")[2]

    skip("step_variable")
    assert new_in_training()
    skip("")
    assert not new_in_training()


# The environment as C has it: Python's copy does not know what a library puts there.
WORK_AFTER_FIXES = """
import ctypes, json, os
import paddle
from studio.engine.fixes import apply_fixes

def names():
    variables = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
    found = set()
    while variables[len(found)]:
        found.add(variables[len(found)].partition(b"=")[0].decode())
    return found

apply_fixes()
before = names()
square = paddle.randn([64, 64])
paddle.matmul(square, square)
print(json.dumps(sorted(names() - before)))
"""


def test_openmp_variable(skip: Skip) -> None:
    skip("openmp_variable")
    assert any("KMP" in name for name in in_engine(WORK_AFTER_FIXES))
    skip("")
    assert in_engine(WORK_AFTER_FIXES) == []


class Intruder:
    """A pickle that writes a file where whoever loads it lets it."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"echo ran >> '{self.mark}'",)


def test_only_data(engine_home: Home, train: Train, fresh_model: Path, tmp_path: Path, skip: Skip) -> None:
    mark = tmp_path / "ran"
    (fresh_model / "weights.metadata").write_bytes(pickle.dumps(Intruder(mark)))
    skip("only_data")
    told(engine_home, train(model=str(fresh_model)))
    assert mark.exists()
    mark.unlink()
    skip("")
    view = train(model=str(fresh_model))
    assert "RefusedPickle" in told(engine_home, view)
    assert view.cause is not None
    assert view.cause.code == "pickle_refused"
    with pytest.raises(StudioError, match="pickle"):
        ChatModels().load(engine_home, str(fresh_model))
    assert not mark.exists()


def test_a_models_own_code_never_runs(engine_home: Home, train: Train, fresh_model: Path, tmp_path: Path) -> None:
    """Nothing is mended here: the engine takes the classes that it knows, and does not ask."""
    mark = tmp_path / "ran"
    (fresh_model / "own.py").write_text(f"open({str(mark)!r}, 'w')\n")
    for name, named in (("config.json", "AutoModelForCausalLM"), ("tokenizer_config.json", "AutoTokenizer")):
        path = fresh_model / name
        own = {"auto_map": {named: "own.Own", "AutoConfig": "own.Own"}}
        path.write_text(json.dumps(json.loads(path.read_text()) | own))
    assert losses(engine_home, train(model=str(fresh_model)))
    with closing(ChatModels()) as models:
        assert say_all(models.load(engine_home, str(fresh_model)), 3)
    assert not mark.exists()
