"""Look at runs: all, one, its curve, its log; and stop one."""

import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from studio.actions.curves import TAILS
from studio.core.metrics import find_progress
from studio.core.request import TrainRequest
from studio.core.runs import ACTIVE_STATES, COMPARING, QUEUED, SILENCE_S, RunView, phase_times, read_cause
from studio.errors import StudioError
from studio.jobs.devices import read_claim
from studio.jobs.launch import stop_job, wait_job
from studio.jobs.queue import Ticket, read_queue
from studio.jobs.state import job_state
from studio.stores.home import Home
from studio.stores.logs import read_log_tail
from studio.stores.models import has_result
from studio.stores.runs import (
    JobPaths,
    RunPaths,
    find_checkpoints,
    find_run_folder,
    find_run_folders,
    read_request,
)
from studio.stores.runs import run_id as id_of
from studio.stores.tails import MetricsTail

# The jobs that wait before each pool of devices.
Queues = dict[Path, list[Ticket]]


def list_runs(home: Home) -> list[RunView]:
    """Every run, the newest first; one whose request is broken can only be looked for by its name."""
    views: list[RunView] = []
    queues: Queues = {}
    for folder in sorted(find_run_folders(home), key=_created, reverse=True):
        with suppress(StudioError):
            views.append(view_run(home, folder, queues))
    return views


def find_run(home: Home, run: str) -> RunView:
    """One run by `model/method/name` or by its name. Raises NotFound."""
    return view_run(home, find_run_folder(home, run))


def stop_run(home: Home, run: str, now: bool = False) -> RunView:
    """Ask a run to stop: after saving a checkpoint, or at once. Raises StudioError when it has ended."""
    folder = find_run_folder(home, run)
    view = view_run(home, folder)
    if not view.is_active and view.state != "lost":
        raise StudioError("run_has_ended", "run", run=view.run, state=view.state)
    stop_job(RunPaths(folder).job, now=now)
    return view_run(home, folder)


def request_of(home: Home, run: str) -> TrainRequest:
    """What was asked when a run was started. Raises NotFound."""
    return read_request(find_run_folder(home, run))


def wait_run(home: Home, run: str) -> RunView:
    """Wait until a run has ended."""
    folder = find_run_folder(home, run)
    wait_job(RunPaths(folder).job)
    return view_run(home, folder)


def queue_place(job: Path, queues: Queues) -> tuple[int | None, bool]:
    """A waiting job's place before its devices, from 1, and whether it is held; a queue is read once."""
    claim = read_claim(job)
    if claim and claim.pool not in queues:
        queues[claim.pool] = read_queue(claim.pool)
    for place, ticket in enumerate(queues[claim.pool] if claim else [], 1):
        if ticket.folder == job:
            return place, ticket.held
    return None, False


def read_log(home: Home, run: str, size: int = 20_000) -> str:
    """The end of a run's log, as plain text."""
    return read_log_tail(JobPaths(RunPaths(find_run_folder(home, run)).job).log, size)


def view_run(home: Home, folder: Path, queues: Queues | None = None) -> RunView:
    """What a run's folder says about it, right now; who looks at many runs keeps their `queues`."""
    with TAILS.reading(RunPaths(folder).metrics) as tail:
        return _view(home, folder, tail, {} if queues is None else queues)


def _view(home: Home, folder: Path, tail: MetricsTail, queues: Queues) -> RunView:
    paths = RunPaths(folder)
    request = read_request(folder)
    job = JobPaths(paths.job)
    state: dict[str, Any] = job_state(paths.job)
    last = tail.curves.last
    name = str(state.get("state", "preparing"))
    if name in ("lost", "prepared") and tail.ended and has_result(folder):
        # The engine came to its end without a supervisor: it was killed, or somebody started the engine by hand.
        early = job.stop.exists() or tail.last_step < tail.begin.get("total_steps", 0)
        name = "stopped" if early else "finished"
    active = name in ACTIVE_STATES
    begin_time = tail.begin.get("time")
    # The training is over then, and its times stand.
    comparing = state.get("phase") == COMPARING
    now = time.time() if active and not comparing else (tail.last_time or state.get("ended_at") or time.time())
    progress = find_progress(
        int(tail.begin.get("step", 0)), begin_time, tail.last_step, tail.begin.get("total_steps"), now
    )
    place, held = queue_place(paths.job, queues) if name == QUEUED else (None, False)
    phase = tail.phase if name == "running" and tail.phase and not comparing else str(state.get("phase", name))
    current = (tail.phase, tail.phase_since) if active and tail.phase_since is not None else None
    if comparing and tail.last_time is not None:
        current = (COMPARING, tail.last_time)
    return RunView(
        run=id_of(home, folder),
        name=folder.name,
        path=str(folder),
        state=name,
        phase=phase if active else name,
        model=request.model,
        stage=request.stage,
        method=request.method,
        datasets=request.datasets,
        step=progress.step,
        total_steps=progress.total_steps,
        elapsed_s=progress.elapsed_s,
        remaining_s=progress.remaining_s if active else None,
        tokens_per_s=last.get("tokens_per_s"),
        loss=last.get("loss"),
        eval_loss=last.get("eval_loss"),
        cause=read_cause(state.get("cause")),
        started_at=state.get("started_at") or state.get("created_at"),
        silent_s=_silence(job, paths.metrics, state.get("started_at")) if name == "running" else None,
        place=place,
        held=held,
        phases=phase_times(
            state.get("asked_at"),
            None if name == "preparing" else state.get("created_at"),
            state.get("started_at"),
            _after(begin_time, state.get("started_at")),
            tail.phase_times,
            current,
            time.time() if active else float(state.get("ended_at") or now),
        ),
        checkpoints=tuple(find_checkpoints(folder)),
        webhook_error=str(state.get("webhook_error") or ""),
        not_done=read_cause(state.get("not_done")),
    )


def _after(moment: float | None, earlier: float | None) -> float | None:
    """A moment of this session; one before its start belongs to a session before it was resumed."""
    return moment if moment is not None and earlier is not None and moment >= earlier else None


def _silence(job: JobPaths, metrics: Path, started_at: float | None) -> float | None:
    """How long the engine has said nothing, in seconds; None while it talks.

    The files of a run that was resumed may be older than its engine.
    """
    said = [path.stat().st_mtime for path in (job.log, metrics) if path.exists()]
    silent = time.time() - max([*said, started_at or 0], default=0)
    return silent if silent > SILENCE_S else None


def _created(folder: Path) -> float:
    return RunPaths(folder).request.stat().st_mtime
