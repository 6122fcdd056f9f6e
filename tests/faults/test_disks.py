"""Disks that are full or read-only, folders that are deleted, files that are torn."""

import shutil
import subprocess
import time
from pathlib import Path

import httpx
import psutil
import pytest

from studio.actions.export import start_export, wait_export
from studio.actions.home import DEMO_MODEL
from studio.actions.logs import find_text, read_log_part
from studio.actions.runs import RunView, find_run, list_runs, wait_run
from studio.actions.train import start_run
from studio.core.request import TrainRequest
from studio.errors import RequestRefused, StoreFailed
from studio.jobs.processes import processes_of
from studio.stores.home import Home
from studio.stores.models import find_adapters
from studio.stores.registry import add_entry, read_registry
from studio.stores.runs import find_resumable
from studio.texts import word_error
from tests.faults.parts import (
    SHORT_FORM,
    Curve,
    SmallDisk,
    Studio,
    fault,
    goes_on,
    is_at_work,
    is_device_free,
    is_told,
    is_whole,
    job_of,
    met_in,
    start,
    state_of,
    wait_until,
)

FULL = "The disk is full"


@pytest.fixture
def disk_home(engine_home: Home, small_disk: SmallDisk) -> Home:
    """A home like that of the engine, on a disk of its own."""
    home = Home(small_disk.path / "home")
    shutil.copytree(engine_home.data, home.data)
    shutil.copy2(engine_home.registry, home.registry)
    shutil.copytree(engine_home.models / DEMO_MODEL, home.models / DEMO_MODEL)
    home.saves.mkdir()
    return home


@fault(
    "The disk is full while the engine writes: the page says so, and with room again the run is taken up from its "
    "checkpoint with the losses of an undisturbed one.",
    "引擎写入时磁盘已满：页面说明原因；腾出空间后运行从检查点继续，损失与未受干扰的运行一致。",
)
@pytest.mark.parametrize("phase", ["training", pytest.param("checkpoint", marks=SHORT_FORM), "saving"])
def test_disk_full(small_disk: SmallDisk, disk_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(disk_home, "disk-full", phase) as view:
        small_disk.fill()
    assert wait_run(disk_home, view.run).state == "failed"
    is_told(disk_home, view.run, "failed", FULL)
    assert processes_of(job_of(view)) == []
    small_disk.make_room()
    goes_on(disk_home, view.run, undisturbed)


@fault(
    "The disk is full at a start: it is refused in words and leaves nothing, and with room again the same name starts.",
    "启动时磁盘已满：以文字说明并拒绝，不留下任何东西；腾出空间后可用同名启动。",
)
def test_disk_full_at_a_start(small_disk: SmallDisk, disk_home: Home) -> None:
    small_disk.fill()
    with pytest.raises(RequestRefused) as caught:
        start(disk_home, "refused")
    assert "Make room first" in word_error(caught.value, "en")
    assert list_runs(disk_home) == []
    small_disk.make_room()
    view = start(disk_home, "refused", max_steps=2)
    assert view.name == "refused"
    assert wait_run(disk_home, view.run).state == "finished"


@fault(
    "The disk is full while the registry is written: that is said, and every earlier entry stays.",
    "写数据集登记表时磁盘已满：明确提示，原有条目全部保留。",
    engine="none",
)
@SHORT_FORM
def test_disk_full_for_the_registry(small_disk: SmallDisk, disk_home: Home) -> None:
    before = read_registry(disk_home)
    small_disk.fill()
    with pytest.raises(StoreFailed) as caught:
        add_entry(disk_home, "more", {"file_name": "more.jsonl"})
    assert FULL in word_error(caught.value, "en")
    assert read_registry(disk_home) == before
    small_disk.make_room()
    add_entry(disk_home, "more", {"file_name": "more.jsonl"})
    assert read_registry(disk_home).keys() == {*before, "more"}


@fault(
    "The disk is full during an export: it fails, nothing that looks like a model is left, and with room again it is "
    "made and proven.",
    "导出时磁盘已满：导出失败，不留下看似模型的文件；腾出空间后重新导出并通过验证。",
)
def test_disk_full_during_an_export(small_disk: SmallDisk, disk_home: Home) -> None:
    view = wait_run(disk_home, start(disk_home, "adapter", fine_tuning="LoRA", max_steps=2).run)
    export = start_export(disk_home, view.run, to="merged")
    wait_until(lambda: any(path.name.endswith(".partial") for path in disk_home.models.iterdir()))
    small_disk.fill(left=100_000)
    export = wait_export(disk_home, export)
    assert export.state == "failed", export.state
    assert [path.name for path in disk_home.models.iterdir()] == [DEMO_MODEL]
    small_disk.make_room()
    export = wait_export(disk_home, start_export(disk_home, view.run, to="merged"))
    assert export.state == "finished", export.cause
    assert export.report is not None
    assert export.report["verdict"] == "PASS"


@fault(
    "The run's folder is made read-only: the engine ends, the page says that the run was cut off, and once it can be "
    "written it is taken up from its checkpoint.",
    "运行目录被设为只读：引擎结束，页面显示运行被中断；恢复可写后可从检查点继续。",
)
def test_folder_made_read_only(small_disk: SmallDisk, disk_home: Home, undisturbed: Curve) -> None:
    with met_in(disk_home, "read-only", "training") as view:
        # Files that are open stay so, as with any file system that turns read-only for new ones.
        subprocess.run(["mount", "--bind", view.path, view.path], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", view.path], check=True)
    try:
        assert wait_run(disk_home, view.run).state == "lost"
        is_told(disk_home, view.run, "lost", "cut off")
        assert processes_of(job_of(view)) == []
    finally:
        subprocess.run(["umount", "--lazy", view.path], check=True)
    assert find_resumable(Path(view.path))
    goes_on(disk_home, view.run, undisturbed)


@fault(
    "The run's folder is deleted: its processes end, its device is free, it does not come back, and the same name "
    "starts again.",
    "运行目录被删除：其进程结束，设备释放，目录不会重新出现，同名运行可再次启动。",
)
@pytest.mark.parametrize("phase", ["queued", pytest.param("training", marks=SHORT_FORM)])
def test_folder_deleted(engine_home: Home, undisturbed: Curve, phase: str) -> None:
    with met_in(engine_home, "deleted", phase) as view:
        supervisor = psutil.Process(state_of(view)["supervisor_pid"])
        shutil.rmtree(view.path)
        wait_until(lambda: not is_at_work(supervisor))
    wait_until(lambda: not processes_of(job_of(view)) and is_device_free(engine_home))
    assert view.run not in [each.run for each in list_runs(engine_home)]
    assert not Path(view.path).exists()
    again = start(engine_home, view.name)
    assert again.run == view.run
    wait_run(engine_home, again.run)
    is_whole(engine_home, again.run, undisturbed)


@fault(
    "A file of a run is cut in two: the page shows all other runs, and of this one whatever is whole.",
    "运行的某个文件被截断：页面照常显示其他所有运行，以及该运行中完好的部分。",
)
@pytest.mark.parametrize(
    "phase", ["state.json", "request.json", "job.json", "metrics.jsonl", "machine.jsonl", "log.txt", "train.yaml"]
)
def test_file_torn(engine_home: Home, lora_run: RunView, torn_studio: Studio, phase: str) -> None:
    # Each has a folder of its own: of a copy with the same times the studio would still know what it has read before.
    other = torn_studio.home.saves / "ernie-4.5-demo" / "lora" / f"torn-{phase}"
    shutil.copytree(lora_run.path, other)
    path = other / "studio" / phase
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    address, run = f"{torn_studio.address}studio", f"ernie-4.5-demo/lora/{other.name}"
    told = httpx.get(f"{address}/runs", timeout=30)
    assert told.status_code == 200
    assert "ernie-4.5-demo/lora/whole" in [one["run"] for one in told.json()["runs"]]
    for route in ("run", "points", "log"):
        answer = httpx.get(f"{address}/{route}", params={"run": run}, timeout=30)
        assert answer.status_code == 200, route
    if phase == "request.json":
        card = httpx.get(f"{address}/run", params={"run": run}, timeout=30).json()["card"]
        assert "request.json is broken" in card
    assert find_adapters(torn_studio.home)
    assert list_runs(torn_studio.home)


@pytest.fixture(scope="module")
def torn_studio(lora_run: RunView, tmp_path_factory: pytest.TempPathFactory) -> "object":
    """A studio over a home with one whole run."""
    home = Home(tmp_path_factory.mktemp("torn") / "home")
    shutil.copytree(lora_run.path, home.saves / "ernie-4.5-demo" / "lora" / "whole")
    shutil.copytree(Path(lora_run.model), home.models / DEMO_MODEL)
    studio = Studio(home)
    studio.start()
    yield studio
    studio.stop()


@fault(
    "An engine that writes without end: it is ended at a log of 1 GB, the page says so, and any part of the log is "
    "read and searched in less than two seconds.",
    "引擎无休止地输出：日志达到 1 GB 时被结束，页面说明原因；日志任意部分的读取与搜索都在两秒之内。",
    engine="recorded",
)
def test_log_of_1_gb(home: Home, recorded_engine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_ENGINE", "flood")
    run = start_run(home, TrainRequest(str(home.models / "tiny"), datasets=("pairs",), name="flood")).run
    assert wait_run(home, run).state == "failed"
    is_told(home, run, "failed", "more than 1 GB")
    view = find_run(home, run)
    assert processes_of(job_of(view)) == []
    total = (job_of(view) / "log.txt").stat().st_size
    assert total > 1e9
    begun = time.monotonic()
    for place in (None, 0, total // 2):
        assert read_log_part(home, run, start=place).text
    assert find_text(home, run, "the first line") is not None
    assert find_text(home, run, "no such text", before=50_000_000) is None
    assert time.monotonic() - begun < 2
