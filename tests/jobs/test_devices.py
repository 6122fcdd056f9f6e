"""Jobs take devices that are free, and nobody takes one twice."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from studio.jobs.devices import Claim, set_limit, take_devices
from studio.jobs.queue import is_next, join_queue
from studio.stores.atomic import write_json
from studio.stores.runs import JobPaths, write_state


def test_any_free_devices_are_taken_and_given_back(tmp_path: Path) -> None:
    claim = Claim(tmp_path, 2, ("0", "1", "2"))
    with ExitStack() as first, ExitStack() as second:
        assert list(take_devices(claim, first)) == ["0", "1"]
        assert take_devices(claim, second) == {}
        assert list(take_devices(Claim(tmp_path, 1, ("0", "1", "2")), second)) == ["2"]
        first.close()
        assert list(take_devices(claim, second)) == ["0", "1"]


def test_without_names_the_limit_says_how_many_there_are(tmp_path: Path) -> None:
    claim = Claim(tmp_path)
    with ExitStack() as held:
        assert list(take_devices(claim, held)) == ["0"]
        assert take_devices(claim, held) == {}
        set_limit(tmp_path, 2)
        with ExitStack() as second:
            assert list(take_devices(claim, second)) == ["1"]
            # A lower limit counts those that work already.
            set_limit(tmp_path, 1)
            held.close()
            assert take_devices(claim, held) == {}
        assert list(take_devices(claim, held)) == ["0"]


@pytest.fixture
def gpus(tmp_path: Path) -> Path:
    return tmp_path / "gpu"


def wait_for(gpus: Path, name: str, *names: str) -> tuple[Claim, Path]:
    """A job that waits for these GPUs."""
    folder = gpus.parent / name
    claim = Claim(gpus, 1, names)
    write_json(JobPaths(folder).job, {"claim": claim.to_json()})
    write_state(folder, state="queued", created_at=9e12)
    join_queue(gpus, folder)
    return claim, folder


def test_who_wants_other_devices_passes_and_who_takes_any_does_not(gpus: Path) -> None:
    first = wait_for(gpus, "first", "0")
    other = wait_for(gpus, "other", "1")
    same = wait_for(gpus, "same", "0")
    every = wait_for(gpus, "every", "0", "1")
    late = wait_for(gpus, "late", "1")
    assert [is_next(*job) for job in (first, other, same, every, late)] == [True, True, False, False, False]
