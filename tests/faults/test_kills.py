"""What is killed, or told to end, at each phase of a run."""

import os
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from studio.actions.chat import ChatModels, stream_reply
from studio.actions.home import DEMO_MODEL
from studio.actions.resume import resume_run
from studio.actions.runs import find_run, wait_run
from studio.actions.serving import start_server, view_server
from studio.core.endpoint import AnswerFacts, AnswerPiece, Sampling
from studio.core.serving import ServeRequest
from studio.errors import StudioError
from studio.jobs.launch import free_port
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.runs import find_resumable
from studio.texts import LANGUAGES, word_error
from tests.engine.conftest import warm_engine
from tests.faults.parts import (
    AT_WORK,
    LONG_S,
    SHORT_FORM,
    STEPS,
    Curve,
    Studio,
    fault,
    goes_on,
    is_at_work,
    is_device_free,
    is_told,
    is_whole,
    job_of,
    kill,
    met_in,
    page_says,
    start,
    state_of,
    wait_until,
)


def phases(*names: str, short: str = "") -> pytest.MarkDecorator:
    """At each of the phases; `short` is the one of the short form."""
    marked = [pytest.param(name, marks=SHORT_FORM) if name == short else name for name in names]
    return pytest.mark.parametrize("phase", marked)


def goes_on_or_says_why_not(home: Home, run: str, undisturbed: Curve) -> None:
    """From its checkpoint; where there is none yet nothing was learnt that could be lost."""
    if find_resumable(Path(find_run(home, run).path)):
        goes_on(home, run, undisturbed)
        return
    assert find_run(home, run).step == 0
    with pytest.raises(StudioError, match="no_checkpoint"):
        resume_run(home, run)
    assert is_device_free(home)


@fault(
    "SIGKILL of the studio: the run goes on as if nothing had happened, and the next studio shows it.",
    "用 SIGKILL 结束工作台：运行照常继续，重新启动的工作台能看到它。",
)
@phases("queued", *AT_WORK, short="training")
def test_studio_killed(engine_home: Home, studio: Studio, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "studio-killed", phase) as view:
        studio.kill()
        studio.start()
        page_says(studio, view, "queued" if phase == "queued" else "running")
    wait_run(engine_home, view.run)
    is_whole(engine_home, view.run, undisturbed)
    page_says(studio, view, "finished")


@fault(
    "SIGKILL of a waiting run's supervisor: the page says that the run is lost, and the queue passes it over.",
    "用 SIGKILL 结束排队运行的监督进程：页面显示该运行已丢失，队列跳过它。",
)
@phases("queued")
def test_supervisor_of_a_waiting_run_killed(engine_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "waits", phase) as first:
        second = start(engine_home, "waits-too")
        assert find_run(engine_home, second.run).place == 2
        kill(state_of(first)["supervisor_pid"])
        is_told(engine_home, first.run, "lost", "processes are gone without having said why")
        assert find_run(engine_home, second.run).place == 1
    wait_run(engine_home, second.run)
    is_whole(engine_home, second.run, undisturbed)


@fault(
    "SIGKILL of the supervisor: the engine goes on and keeps its device, the page says that it runs, and then that "
    "it has finished.",
    "用 SIGKILL 结束监督进程：引擎继续运行并占有设备，页面显示运行中，最后显示已完成。",
)
@phases(*AT_WORK, short="checkpoint")
def test_supervisor_killed(engine_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "supervisor-killed", phase) as view:
        kill(state_of(view)["supervisor_pid"])
        is_told(engine_home, view.run, "running")
        assert not is_device_free(engine_home)
    wait_run(engine_home, view.run)
    is_whole(engine_home, view.run, undisturbed)
    # Its threads may take a moment longer than the process.
    wait_until(lambda: is_device_free(engine_home), seconds=5)


@fault(
    "SIGKILL of the engine: the page says what killed it, and the run is taken up from its checkpoint with the "
    "losses of an undisturbed one.",
    "用 SIGKILL 结束引擎：页面说明原因，运行从检查点继续，损失与未受干扰的运行一致。",
)
@phases(*AT_WORK, short="checkpoint")
def test_engine_killed(engine_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "engine-killed", phase) as view:
        kill(state_of(view)["pid"])
    assert wait_run(engine_home, view.run).state == "failed"
    is_told(engine_home, view.run, "failed", "killed by SIGKILL")
    goes_on_or_says_why_not(engine_home, view.run, undisturbed)


@fault(
    "SIGKILL of supervisor and engine at once: the page says that the run is lost, never that it has finished, and "
    "it is taken up from its checkpoint.",
    "同时用 SIGKILL 结束监督进程和引擎：页面显示运行已丢失而不是已完成，可从检查点继续。",
)
@phases(*AT_WORK, short="saving")
def test_supervisor_and_engine_killed(engine_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "both-killed", phase) as view:
        state = state_of(view)
        kill(state["supervisor_pid"])
        kill(state["pid"])
        is_told(engine_home, view.run, "lost", "processes are gone without having said why")
    assert processes_of(job_of(view)) == []
    goes_on_or_says_why_not(engine_home, view.run, undisturbed)


ASKED = [{"role": "user", "content": "发烧怎么办？"}]


def say(models: ChatModels, home: Home, tokens: int) -> Generator[AnswerPiece | AnswerFacts]:
    loaded = models.load(home, DEMO_MODEL)
    return stream_reply(loaded.endpoint, ASKED, sampling=Sampling(max_tokens=tokens))


def chat_process() -> psutil.Process | None:
    """The process that holds the model, which is a child of the one that ends it with the studio."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            command = process.cmdline()
            if "studio.engine.chat_server" in command and "studio.jobs.tether" not in command:
                return process
    return None


@fault(
    "SIGKILL of the chat process: who waits for it is told so in words, and the model loads and answers again.",
    "用 SIGKILL 结束对话进程：等待者得到文字说明，模型可重新加载并回答。",
)
@phases("loading", "answering", "idle", short="answering")
def test_chat_process_killed(engine_home: Home, phase: str) -> None:
    models = ChatModels()
    try:
        if phase == "loading":
            with ThreadPoolExecutor(1) as pool:
                loading = pool.submit(models.load, engine_home, DEMO_MODEL)
                kill(wait_until(chat_process).pid)
                error = loading.exception(LONG_S)
        else:
            reply = say(models, engine_home, 4000)
            next(reply)
            if phase == "idle":
                reply.close()
            process = chat_process()
            assert process
            kill(process.pid)
            error = None
            try:
                list(reply)
            except StudioError as caught:
                error = caught
        wait_until(lambda: chat_process() is None and models.loaded() == [])
        if phase != "idle":
            assert isinstance(error, StudioError), error
            assert all(word_error(error, language) for language in LANGUAGES)
        assert list(say(models, engine_home, 4))
    finally:
        models.close()


@fault(
    "SIGKILL of the warm engine: the run that it began goes on, and the next one takes the plain command.",
    "用 SIGKILL 结束预热引擎：由它启动的运行继续，下一个运行改用普通命令。",
)
def test_warm_engine_killed(own_home: Home, undisturbed: Curve) -> None:
    home = own_home
    with warm_engine(home):
        with met_in(home, "warm", "training") as view:
            (warm,) = [
                process
                for process in psutil.Process().children(recursive=True)
                if process.cmdline()[1:] == ["-m", "studio.jobs.warm_server", str(home.warm)]
                and process.pid != state_of(view)["supervisor_pid"]
            ]
            kill(warm.pid)
        wait_run(home, view.run)
        is_whole(home, view.run, undisturbed)
        again = start(home, "plain")
        assert again.is_active
        wait_run(home, again.run)
        is_whole(home, again.run, undisturbed)


@fault(
    "A reboot, SIGTERM to everything and SIGKILL half a minute later: the run at work has saved and says that it was "
    "stopped, what waited and served says that it was cut off, nothing is left alive, and the run goes on from where "
    "it was.",
    "重启：向所有进程发 SIGTERM，半分钟后 SIGKILL。进行中的运行已保存并显示已停止，排队和服务显示被中断，没有残留进程，运行可从原处继续。",
)
def test_reboot(own_home: Home, undisturbed: Curve, monkeypatch: pytest.MonkeyPatch) -> None:
    # Everything that is started from here on carries it.
    monkeypatch.setenv("FAULTS_REBOOT", "yes")
    home, studio = own_home, Studio(own_home)
    studio.start()
    server = start_server(home, ServeRequest(str(home.models / DEMO_MODEL), "rebooted", port=free_port()))
    wait_until(lambda: view_server(home, server.name).health == "ready")
    with met_in(home, "rebooted", "training") as view:
        waiting = start(home, "rebooted-waits")
        wait_until(lambda: "supervisor_pid" in state_of(waiting))
        everything = [process for process in psutil.process_iter() if _carries(process)]
        assert len(everything) >= 7
        for process in everything:
            process.terminate()
    deadline = time.monotonic() + 30
    while any(map(is_at_work, everything)) and time.monotonic() < deadline:
        time.sleep(0.1)
    for process in filter(is_at_work, everything):
        kill(process.pid)
    ended = find_run(home, view.run)
    assert (ended.state, ended.step < STEPS) == ("stopped", True)
    assert (Path(view.path) / f"checkpoint-{ended.step}").is_dir()
    is_told(home, waiting.run, "lost", "cut off")
    assert view_server(home, server.name).state == "lost"
    studio.kill()
    studio.start()
    try:
        page_says(studio, view, "stopped")
        page_says(studio, waiting, "lost")
    finally:
        studio.stop()
    goes_on(home, view.run, undisturbed)


def _carries(process: psutil.Process) -> bool:
    try:
        return "FAULTS_REBOOT" in process.environ() and process.pid != os.getpid()
    except psutil.Error:
        return False
