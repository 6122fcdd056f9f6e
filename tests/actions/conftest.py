"""Runs that a test starts end with it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.jobs.launch import stop_job, wait_job
from studio.jobs.state import job_state
from studio.stores.home import Home
from studio.stores.runs import RunPaths, find_run_folders


@pytest.fixture(autouse=True)
def _end_runs(home: Home) -> Iterator[None]:
    yield
    for folder in find_run_folders(home):
        job: Path = RunPaths(folder).job
        if job_state(job).get("state") in ("queued", "running", "stopping"):
            stop_job(job, now=True)
            wait_job(job)
