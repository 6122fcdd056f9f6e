"""Runs that a test starts end with it; a server of models and who asks it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.jobs.launch import stop_job, wait_job
from studio.jobs.state import job_state
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folders
from tests.actions.model_server import ModelServer, serve


@pytest.fixture(autouse=True)
def _end_runs(home: Home) -> Iterator[None]:
    yield
    for folder in find_run_folders(home):
        job: Path = RunPaths(folder).job
        if job_state(job).get("state") in ("queued", "running", "stopping"):
            stop_job(job, now=True)
            wait_job(job)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serve() as told:
        yield told


@pytest.fixture
def batches(home: Home) -> Iterator[Batches]:
    models = ChatModels()
    batches = Batches(home, models)
    yield batches
    batches.close()
    models.close()
