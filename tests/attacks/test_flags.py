"""Values that look like flags, files of arguments or commands are values to whoever reads the command, or refused."""

import ast
import shlex
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from studio import cli
from studio.actions.hand_on import start_push
from studio.actions.merging import MergePlan, merge_steps, prove_command
from studio.actions.train import compare_command, prepare_command, preview_run
from studio.core.command import Command
from studio.core.devices import Devices
from studio.core.options import OPTIONS_BY_NAME, read_option
from studio.core.paddleformers.config import launch_command, machine_commands
from studio.core.request import TrainRequest
from studio.core.serving import (
    BACKENDS,
    SERVER_OPTIONS,
    ServeFacts,
    ServePlace,
    ServeRequest,
    find_serve_problems,
    read_server_option,
    serve_command,
)
from studio.engine import chat_server, combine, complete, prove
from studio.errors import Problem, StudioError
from studio.jobs.chat import chat_command
from studio.jobs.measuring import measure_command
from studio.jobs.visualdl import visualdl_command
from studio.stores.home import Home
from studio.stores.jail import allowed_path
from studio.stores.registry import add_entry
from studio.stores.runs import RunPaths
from tests.conftest import EMPTY_WEIGHTS, MODEL_FILES

STUDIO = Path(__file__).parents[2] / "studio"
HOSTILE = (
    "-x", "--", "-", "-1", "--help", "--home=/", "--model", "--api-key-file=/etc/passwd", "--manage", "-c", "@/etc/passwd",
    "@args", "$(id)", "`id`", "a;id", "a b", "a\nb", "\n--json", "a=--help", "=", "'", '"', "\\", "%s", "*", "~", "你好",
)  # fmt: skip
Note = Callable[[str, int], None]
Read = Callable[[Sequence[str]], Namespace]


def module_of(argv: Sequence[str], module: str) -> list[str]:
    """What a module is given behind `-m`."""
    place = list(argv).index(module)
    assert argv[place - 1] == "-m"
    return list(argv[place + 1 :])


def given_to(command: Command | Sequence[str], module: str, read: Read) -> Namespace:
    """What the module's own parser makes of a command."""
    argv = command.argv if isinstance(command, Command) else command
    return read(module_of(argv, module))


def as_read(text: str) -> str | list[str]:
    """A value as argparse reads it: of `--` as an option's it makes nothing (Python 3.11)."""
    return [] if text == "--" else text


def folder_of(home: Home, text: str, kind: str) -> Path | None:
    """A folder of this name as the studio takes it; None where it takes none of this name."""
    try:
        place = allowed_path(home, home.root / kind / text)
    except StudioError:
        return None
    if place.name in ("", ".", "..") or place.parent != home.root / kind:
        return None
    place.mkdir(parents=True, exist_ok=True)
    for name in MODEL_FILES:
        (place / name).write_bytes(EMPTY_WEIGHTS if name.endswith("safetensors") else b"{}")
    return place


def tries(home: Home, kind: str = "models") -> Iterator[tuple[str, Path]]:
    for text in HOSTILE:
        if folder := folder_of(home, text, kind):
            yield text, folder


def test_what_a_run_is_prepared_with(home: Home, tried: Note) -> None:
    entry = {"file_name": "pairs.jsonl", "formatting": "messages", "columns": {"messages": "messages"}}
    count = 0
    for text in HOSTILE:
        name = text.strip()
        add_entry(home, name, entry)
        request = TrainRequest(str(home.models / "tiny"), datasets=(name,), eval_dataset=name, name="run")
        flags = given_to(prepare_command(home, request), "studio", cli.read_flags)
        assert (flags.home, flags.name) == (home.root, "run")
        assert {f"datasets={name}", f"eval_dataset={name}"} <= {*flags.keys}
        # A preview is pasted as it stands, and what is behind `#` stays there.
        machines = {"machines": "2", "master_addr": "10.0.0.1", "device": "cpu"}
        named = replace(request, name=text, options=machines)
        assert given_to(prepare_command(home, named), "studio", cli.read_flags).name == as_read(text)
        pasted = shlex.split(preview_run(home, named).command, comments=True)
        assert pasted.count("&&") == 2
        assert pasted[-1] == str(RunPaths(home.saves / "tiny" / "full" / text).config)
        count += 3
    for _, folder in tries(home):
        request = TrainRequest(str(folder), datasets=("pairs",), name="run")
        flags = given_to(prepare_command(home, request), "studio", cli.read_flags)
        assert f"model_name_or_path={folder}" in flags.keys
        lines = preview_run(home, request).command.splitlines()
        assert len(lines) == 2
        assert shlex.split(lines[1])[-2:] == [
            "train",
            str(RunPaths(home.saves / folder.name / "full" / "run").config),
        ]
        count += 1
    tried("processes.flags", count)


def test_what_a_run_is_compared_with(home: Home, tried: Note) -> None:
    count = 0
    for text, folder in tries(home):
        request = TrainRequest(str(folder), datasets=("pairs",), name="run")
        run = f"{text}/full/run"
        flags = given_to(compare_command(home, request, run, 5), "studio", cli.read_flags)
        assert (flags.held_out, flags.model, flags.limit) == (run, [str(folder), run], 5)
        count += 1
    tried("processes.flags", count)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_measured_looked_at_and_talked_to(text: str, home: Home, tried: Note) -> None:
    flags = given_to(measure_command(home.root, text, text), "studio", cli.read_flags)
    assert (flags.home, flags.name, flags.model, flags.json) == (home.root, text, as_read(text), True)
    folder = str(home.models / text)
    flags = given_to(chat_command(folder, 1, 0, [folder] * 2), "studio.engine.chat_server", chat_server.read_flags)
    assert (flags.model, flags.adapter) == (Path(folder), [Path(folder)] * 2)
    assert (flags.manage, flags.host, flags.api_key_file) == (True, "127.0.0.1", None)
    tried("processes.flags", 2)


@pytest.mark.parametrize("text", HOSTILE)
def test_what_visualdl_shows(text: str, home: Home, monkeypatch: pytest.MonkeyPatch, tried: Note) -> None:
    from visualdl.server.args import parse_args

    argv = visualdl_command(home.saves / text, 1, text)
    monkeypatch.setattr("sys.argv", ["visualdl", *argv[3:]])
    told = parse_args()
    assert (told["logdir"], told["port"], told["host"]) == ([str(home.saves / text)], 1, "127.0.0.1")
    tried("processes.flags", 1)


def serve_problems(request: ServeRequest) -> set[str]:
    return {problem.field for problem in find_serve_problems(request, ServeFacts(has_fastdeploy=True))}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_served(backend: str, home: Home, tried: Note) -> None:
    place = ServePlace("/py", "/checkout", str(home.serving / "s"))
    count = 0
    for text, folder in tries(home):
        adapters = (str(folder),) if backend == "builtin" else ()
        request = ServeRequest(str(folder), "s", backend, adapters)
        assert serve_problems(request) == set()
        argv = serve_command(request, place).argv
        if backend == "builtin":
            flags = given_to(argv, "studio.engine.chat_server", chat_server.read_flags)
            assert (flags.model, flags.adapter, flags.manage) == (folder, [folder], False)
        else:
            assert str(folder) in argv
        assert serve_problems(ServeRequest(str(folder), text, backend)) == ({"name"} if text != "你好" else set())
        assert "host" in serve_problems(ServeRequest(str(folder), "s", backend, host=text))
        assert "port" in serve_problems(ServeRequest(str(folder), "s", backend, port=text))
        count += 4
    tried("processes.flags", count)


def test_what_fastdeploy_is_told_beside(home: Home, tried: Note) -> None:
    """Each flag has one value, which is no flag: its own parser is not installed."""
    count = 0
    for spec in SERVER_OPTIONS:
        for text in HOSTILE:
            value = read_server_option(spec, text)
            request = ServeRequest("/m", "s", "fastdeploy", options={spec.name: text})
            if isinstance(value, Problem):
                assert spec.name in serve_problems(request), (spec.name, text)
            else:
                argv = serve_command(request, ServePlace("/py", "/checkout", "/job")).argv
                assert not str(value).startswith("-"), (spec.name, text)
                assert len([word for word in argv if word.startswith("-")]) == len(SERVER_OPTIONS) + 2, (
                    spec.name,
                    text,
                )
            count += 1
    tried("processes.flags", count)


def test_what_is_merged_proven_and_published(home: Home, tried: Note) -> None:
    count = 0
    for _, folder in tries(home):
        (folder / "NOTICE").write_text("{}")
        job, target = home.saves / folder.name / "job", home.models / f"{folder.name}-merged"
        work = home.models / f".{folder.name}.partial"
        plan = MergePlan(str(folder), [folder, folder], work, target, job, "float32", 1)
        steps = {step.name: step.command.argv for step in merge_steps(plan, "cpu")}
        assert list(steps) == ["adding", "merging", "completing", "proving", "publishing"]
        flags = given_to(steps["adding"], "studio.engine.combine", combine.read_flags)
        assert (flags.base, flags.adapter, flags.to) == (folder, [folder, folder], work)
        flags = given_to(steps["completing"], "studio.engine.complete", complete.read_flags)
        assert (flags.base, flags.merged) == (folder, work / "export")
        flags = given_to(prove_command(str(folder), [folder], folder, job), "studio.engine.prove", prove.read_flags)
        assert (flags.base, flags.adapter, flags.merged, flags.report) == (folder, [folder], folder, job)
        assert module_of(steps["publishing"], "studio.jobs.publish") == [
            str(work / "export"),
            str(target),
            str(job),
        ]
        assert module_of(steps["merging"], "paddleformers.cli.launcher") == ["export", str(job / "export.yaml")]
        count += 5
    tried("processes.flags", count)


def test_where_a_model_is_pushed_to(home: Home, tried: Note) -> None:
    count = 0
    for text in HOSTILE:
        for hub, repository in (
            ("huggingface", text),
            ("huggingface", f"{text}/m"),
            ("huggingface", f"me/{text}"),
            (text, "me/m"),
        ):
            if text == "你好" and hub != text and "/" in repository:
                continue
            with pytest.raises(StudioError) as refused:
                start_push(home, "tiny", hub, repository, True, "token")
            assert refused.value.code in ("bad_repository", "unknown_hub")
            count += 1
    assert not (home.saves / ".pushs").exists()
    tried("processes.flags", count)


def test_devices_and_machines(tried: Note) -> None:
    """What is a variable of a command's environment may hold anything, on one line."""
    for text in HOSTILE:
        devices = Devices("gpu", (text,), 2, text)
        command = launch_command("train", "/py", "/c.yaml", devices, "/job", "/ranks", "/bin")
        assert module_of(command.argv, "paddleformers.cli.cli") == ["train", "/c.yaml"]
        (other,) = machine_commands("/c.yaml", devices, "/job")
        assert other.argv == ("paddleformers-cli", "train", "/c.yaml")
        assert f"MASTER_ADDR={text}" in shlex.split(other.shell())
        for name in ("master_addr", "device_ids"):
            value = read_option(OPTIONS_BY_NAME[name], text)
            assert isinstance(value, Problem) or "\n" not in str(value)
    tried("processes.flags", 2 * len(HOSTILE))


# Every place that makes a command or starts a process, and where its values are tried; without a test, why.
PLACES = {
    "core/paddleformers/config.py:launch_command": test_devices_and_machines,
    "core/paddleformers/config.py:machine_commands": test_devices_and_machines,
    "core/serving.py:serve_command": test_what_is_served,
    "actions/train.py:prepare_command": test_what_a_run_is_prepared_with,
    "actions/train.py:compare_command": test_what_a_run_is_compared_with,
    "actions/merging.py:merge_steps": test_what_is_merged_proven_and_published,
    "actions/merging.py:prove_command": test_what_is_merged_proven_and_published,
    "actions/hand_on.py:start_push": test_where_a_model_is_pushed_to,
    "jobs/chat.py:ModelServer.__init__": test_what_is_measured_looked_at_and_talked_to,
    "jobs/measuring.py:measure_apart": test_what_is_measured_looked_at_and_talked_to,
    "jobs/visualdl.py:VisualDLServer.__init__": test_what_visualdl_shows,
    "actions/hand_on.py:start_package": "absolute paths, which no parser reads",
    "actions/home.py:demo_model_command": "an absolute path, which no parser reads",
    "actions/home.py:make_demo_model": "runs what demo_model_command made",
    "actions/resume.py:_step": "a command that was made before",
    "engine/prove.py:read_apart": "a fork",
    "jobs/encoder.py:EncoderProcess.__init__": "an absolute path, which no parser reads",
    "jobs/gpus.py:_ask": "nothing is given to it",
    "jobs/keyed.py:main": "becomes the command that it was given",
    "jobs/launch.py:own_command": "makes a command of what it was given",
    "jobs/launch.py:start_job": "an absolute path, which no parser reads",
    "jobs/launch.py:TetheredProcess.__init__": "runs a command that was made before",
    "jobs/supervisor.py:spawn_command": "runs a command that was made before",
    "jobs/tether.py:main": "runs the command that it was given",
    "jobs/warm.py:WarmEngine.start": "an absolute path, which no parser reads",
    "jobs/warm_server.py:_detach": "a fork",
    "jobs/warm_server.py:_parse": "a fork",
    "jobs/warm_server.py:_spawn": "a fork of a command that was made before",
}
MAKERS = {
    *("Command", "own_command", "TetheredProcess", "Popen", "check_call", "check_output", "run", "call", "Process"),
    *(
        "fork",
        "forkpty",
        "posix_spawn",
        "startfile",
        "create_subprocess_exec",
        "create_subprocess_shell",
        "ProcessPoolExecutor",
    ),
}
FAMILIES = ("exec", "spawn")
# They are called as processes are, and start none.
OTHERS = {
    "flags.run",
    "psutil.Process",
    "running.run",
    "self.slot.call",
    "server.slot.call",
    "uvicorn.Server(config).run",
}


def made_in(tree: ast.AST, where: tuple[str, ...] = ()) -> Iterator[str]:
    """The functions of a module that make a command or start a process."""
    for child in ast.iter_child_nodes(tree):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = (*where, child.name) if named else where
        if isinstance(child, ast.Call):
            called = ast.unparse(child.func)
            last = called.rpartition(".")[2]
            system = called.startswith("os.") and last.startswith(FAMILIES)
            if (last in MAKERS and called not in OTHERS) or system:
                yield ".".join(inner)
        yield from made_in(child, inner)


def test_no_command_is_forgotten() -> None:
    found = {
        f"{path.relative_to(STUDIO)}:{function}"
        for path in STUDIO.rglob("*.py")
        for function in made_in(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == {*PLACES}
