"""`python -m studio.jobs.warm_server SOCKET`: the engine, imported once, and forked for each job.

Importing it takes longer than the first steps of a small run. This process imports it, touches no device and no
random number, and then only forks: a fork supervises a job (see `studio.jobs.supervisor`), and that one's forks
are the engine's launcher with the arguments, environment and files that the plain command would have given it.
A fork that supervises belongs to nobody, so it outlives this process and the studio.
"""

import atexit
import contextlib
import ctypes
import importlib
import json
import multiprocessing
import os
import runpy
import select
import signal
import socket
import sys
import tempfile
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NoReturn

from studio.core.paddleformers.config import LAUNCHER, PARSER, WARM_MODULES
from studio.jobs.launch import CHECKOUT
from studio.jobs.processes import JOB_VARIABLE
from studio.jobs.supervisor import Spawned, run_job, spawn_command
from studio.jobs.warm import ROOM_FOR_A_FOLDER, short_address

FORK = multiprocessing.get_context("fork")
# Gradio sets it for the page; a run looks nowhere that it would matter.
OF_NO_ACCOUNT = {"HF_HUB_DISABLE_TELEMETRY"}
QUESTION_S = 5.0
PARSE_S = 8.0
# A job that wants others of these gets a process of its own.
READ_AT_IMPORT = (
    *("FLAGS_", "GLOG_", "OMP_", "MKL_", "OPENBLAS_", "CUDA_", "PADDLE", "PYTHON", "LD_", "HF_", "HUGGINGFACE"),
    *("TOKENIZERS_", "TRANSFORMERS_", "MODELSCOPE_", "AISTUDIO_", "DATASET_", "MODEL_", "IMAGE_"),
)


def serve(address: Path) -> NoReturn:
    """Import the engine, then answer until this process is ended."""
    before = dict(os.environ)
    for module in WARM_MODULES:
        importlib.import_module(module)
    _SET_BY_IMPORT.update({name: value for name, value in os.environ.items() if before.get(name) != value})
    address.parent.mkdir(parents=True, exist_ok=True)
    # What an earlier process left; one that is alive was asked before this one was started.
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener, short_address(address) as name:
        listener.bind(name)
        os.chmod(address, 0o600)
        listener.listen()
        while True:
            line, _ = listener.accept()
            with line, contextlib.suppress(OSError, ValueError, KeyError):
                line.settimeout(QUESTION_S)
                with line.makefile("rw", encoding="utf-8") as talk:
                    question = json.loads(talk.readline() or "{}")
                    if _has_left(line):
                        # It runs the plain command by now.
                        continue
                    talk.write(json.dumps(_answer(question, [listener.fileno(), line.fileno()])) + "\n")


def _has_left(line: socket.socket) -> bool:
    readable, _, _ = select.select([line], [], [], 0)
    return bool(readable) and line.recv(1, socket.MSG_PEEK) == b""


def _answer(question: Mapping[str, Any], own: list[int]) -> dict[str, Any]:
    match question.get("do"):
        case "supervise":
            return {"done": _detach(Path(question["folder"]), question["env"], own)}
        case "parse":
            return {"refused": _parse(question["config"])}
        case _:
            return {"done": False}


def _detach(folder: Path, env: Mapping[str, str], own: list[int]) -> bool:
    """Supervise a job in a process that is nobody's child, in the environment of whoever asked.

    `own` are descriptors that it must not keep. Returns whether there is such a process.
    """
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    status = 1
    try:
        os.setsid()
        if os.fork():
            os._exit(0)
        for descriptor in own:
            os.close(descriptor)
        _redirect(folder / "supervisor.txt")
        os.chdir(CHECKOUT)
        os.environ.clear()
        os.environ.update(env)
        run_job(folder, _spawn)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def _redirect(output: Path) -> None:
    with output.open("ab") as file, open(os.devnull, "rb") as nothing:
        for target, source in ((0, nothing), (1, file), (2, file)):
            os.dup2(source.fileno(), target)


def _read_at_import(env: Mapping[str, str]) -> dict[str, str]:
    """What of an environment a library may have looked at when it was imported."""
    return {
        name: value for name, value in env.items() if name.startswith(READ_AT_IMPORT) and name not in OF_NO_ACCOUNT
    }


_SET_BY_IMPORT: dict[str, str] = {}
_AT_IMPORT = _read_at_import(os.environ)


class _Forked:
    """A fork as the supervisor sees a command."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._status: int | None = None

    def poll(self) -> int | None:
        return self._collect(os.WNOHANG)

    def wait(self) -> int:
        status = self._collect(0)
        assert status is not None
        return status

    def _collect(self, how: int) -> int | None:
        if self._status is None:
            try:
                pid, status = os.waitpid(self.pid, how)
            except ChildProcessError:
                # Whoever ended it has collected it, too; `subprocess` says 0 then.
                self._status = 0
            else:
                self._status = os.waitstatus_to_exitcode(status) if pid else None
        return self._status


def _spawn(
    argv: list[str], folder: str | None, env: Mapping[str, str], log: IO[bytes], locks: list[int]
) -> Spawned:
    """Fork what can be forked; everything else is started as ever."""
    if not _can_fork(argv, env):
        return spawn_command(argv, folder, env, log, locks)
    process = FORK.Process(target=_become, args=(argv, folder, env, log.fileno()))
    process.start()
    assert process.pid is not None
    return _Forked(process.pid)


def _can_fork(argv: list[str], env: Mapping[str, str]) -> bool:
    fits = len(os.fsencode(env[JOB_VARIABLE])) < ROOM_FOR_A_FOLDER
    same = _read_at_import(env) == _AT_IMPORT
    return argv[:3] == [sys.executable, "-m", LAUNCHER] and _ROOM > 0 and fits and same


def _become(argv: list[str], folder: str | None, env: Mapping[str, str], log: int) -> None:
    """Be in this process what `python -m MODULE ARGUMENTS` would be in a new one; locks stay open by themselves."""
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if JOB_VARIABLE in env:
        _show_job(env[JOB_VARIABLE])
    os.environ.clear()
    os.environ.update({**_SET_BY_IMPORT, **env})
    os.dup2(log, 1)
    os.dup2(log, 2)
    if folder:
        os.chdir(folder)
    sys.path[0] = os.getcwd()
    sys.argv = ["", *argv[3:]]
    try:
        runpy.run_module(argv[2], run_name="__main__", alter_sys=True)
    finally:
        # A fork leaves without them, and they are where writers put their last lines.
        atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]


def _find_room() -> int:
    """The address at which this process's memory of its start keeps the variable; 0 where it was not given room."""
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_void_p
    return int(getenv(JOB_VARIABLE.encode()) or 0)


# Asked before anything changes the environment, which would lead elsewhere.
_ROOM = _find_room() if len(os.environ.get(JOB_VARIABLE, "")) == ROOM_FOR_A_FOLDER else 0


def _show_job(folder: str) -> None:
    """Make `/proc/PID/environ` name the job: the kernel shows the memory of the process's start."""
    name = os.fsencode(folder)
    ctypes.memset(_ROOM, 0, ROOM_FOR_A_FOLDER)
    ctypes.memmove(_ROOM, name, len(name))


def _parse(config: Mapping[str, Any]) -> str | None:
    """What the engine's parser says against a config, in a fork, as it may touch a device; None for no answer."""
    env = {name: value for name, value in os.environ.items() if name != JOB_VARIABLE}
    argv = [sys.executable, "-m", PARSER, json.dumps(dict(config))]
    with tempfile.TemporaryFile() as said:
        process = FORK.Process(target=_become, args=(argv, None, env, said.fileno()))
        process.start()
        process.join(PARSE_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            return None
        said.seek(0)
        return said.read().decode(errors="replace") if process.exitcode else ""


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
