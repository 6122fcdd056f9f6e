"""Each fault's outcome carries its words, phase and engine into the report from which the docs' table is made."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from studio.actions.home import DEMO_MODEL, open_home
from studio.actions.runs import list_runs, stop_run, wait_run
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.runs import RunPaths
from tests.engine.conftest import engine_home, lora_run
from tests.faults.parts import PHASES, Curve, SmallDisk, Studio, learn_undisturbed, own_namespace

__all__ = ["engine_home", "lora_run"]


@pytest.fixture(autouse=True)
def _told(request: pytest.FixtureRequest) -> None:
    """What the table says of a test goes with its report."""
    mark = request.node.get_closest_marker("faults")
    phase = getattr(request.node, "callspec", None) and request.node.callspec.params.get("phase")
    words = {
        **mark.kwargs,
        **dict(zip(("phase_en", "phase_zh"), PHASES.get(phase or "", (f"`{phase}`", f"`{phase}`")), strict=True)),
    }
    request.node.user_properties.extend(words.items())


@pytest.fixture(scope="session")
def undisturbed(engine_home: Home) -> Curve:
    """What the run of these tests learns when nothing happens to it."""
    return learn_undisturbed(engine_home)


@pytest.fixture
def studio(engine_home: Home) -> Iterator[Studio]:
    """A studio process over the home of the real engine."""
    studio = Studio(engine_home)
    studio.start()
    yield studio
    studio.stop()


@pytest.fixture
def own_home(engine_home: Home, tmp_path: Path) -> Home:
    """A home like that of the engine, in which nothing was started yet."""
    home = open_home(tmp_path / "home")
    shutil.copytree(engine_home.models / DEMO_MODEL, home.models / DEMO_MODEL)
    return home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A file system of its own that can be filled and made read-only."""
    if not own_namespace():
        pytest.skip("no file system may be mounted here")
    with SmallDisk(tmp_path / "disk", 400) as disk:
        yield disk


@pytest.fixture(autouse=True)
def _end_runs(request: pytest.FixtureRequest) -> Iterator[None]:
    """A run outlives everything, and must not outlive a test that failed in its midst."""
    yield
    for name in ("engine_home", "own_home", "home"):
        home = request.node.funcargs.get(name)
        for view in list_runs(home) if home else []:
            if view.is_active:
                stop_run(home, view.run, now=True)
                wait_run(home, view.run)
            assert processes_of(RunPaths(Path(view.path)).job) == []


@pytest.fixture
def recorded_engine(fake_engine: object) -> None:
    """Where the engine has no part in a fault, its recorded output stands for it."""
