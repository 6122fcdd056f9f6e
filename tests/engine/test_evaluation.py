"""Base and result compared at the end of a run, with the losses that the trainer itself finds; and probe prompts."""

import json
from collections.abc import Iterator

import pytest

from studio.actions.batch import name_batches, read_table, view_batch
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.evaluation import list_run_scores
from studio.actions.probes import list_probed_runs, probe_request
from studio.core.endpoint import Sampling
from studio.stores.home import Home
from tests.conftest import write_jsonl
from tests.engine.conftest import Train

pytestmark = pytest.mark.slow


@pytest.fixture
def batches(engine_home: Home) -> Iterator[Batches]:
    models = ChatModels()
    yield Batches(engine_home, models)
    assert models.loaded() == []
    models.close()


@pytest.fixture(scope="module")
def held_out(engine_home: Home) -> str:
    """A few rows of the demo's evaluation data, so that the trainer takes them as one batch."""
    lines = (engine_home.data / "medical_zh_eval.jsonl").read_text(encoding="utf-8").splitlines()[:6]
    write_jsonl(engine_home.data / "few.jsonl", [json.loads(line) for line in lines])
    entries = json.loads(engine_home.registry.read_text())
    engine_home.registry.write_text(
        json.dumps({**entries, "few": {"file_name": "few.jsonl", "formatting": "messages"}})
    )
    return "few"


def test_the_loss_of_the_result_is_the_trainers_own_and_less_than_the_bases(
    engine_home: Home, train: Train, held_out: str
) -> None:
    run = train(
        fine_tuning="full",
        max_steps=6,
        warmup_steps=0,
        learning_rate=0.003,
        max_seq_len=64,
        eval_dataset=held_out,
        eval_steps=6,
        # The trainer fills its last batch with rows that it has seen; a batch of all rows has none of them twice.
        per_device_train_batch_size=6,
        compare_rows=6,
        name="compared",
    )
    assert (run.state, run.not_done) == ("finished", None)
    assert run.phases["comparing"] > 0
    (scores,) = list_run_scores(engine_home, run.run)
    assert scores.checkpoint is None
    assert scores.estimates["loss"].value == pytest.approx(run.eval_loss, rel=1e-5)
    assert scores.differences["loss"].value < 0
    assert scores.differences["loss"].is_certain
    assert "f1" in scores.estimates
    views = [view_batch(engine_home, name) for name in name_batches(engine_home, "evaluation")]
    view = next(view for view in views if view.request.held_out == run.run)
    assert (view.state, view.total, view.failed) == ("finished", 12, 0)


def test_every_checkpoint_answers_the_probes(engine_home: Home, batches: Batches, train: Train) -> None:
    run = train(fine_tuning="LoRA", max_steps=4, save_steps=2, learning_rate=0.02, warmup_steps=0, name="probed")
    assert run.run in list_probed_runs(engine_home)
    request = probe_request(engine_home, run.run, "感冒了怎么办？\n发烧怎么办？", "", Sampling(max_tokens=8))
    assert [contender.label for contender in request.contenders] == ["base", "2", "4", "final"]
    view = batches.wait(batches.start(request).name, 300)
    assert (view.state, view.total, view.failed) == ("finished", 8, 0)
    table = read_table(engine_home, view.name)
    said = [[table.answers[number, label].text for number in (1, 2)] for label in table.labels]
    # The last checkpoint is what the run became; the one before had learnt less.
    assert said[2] == said[3]
    assert said[0] != said[2]
