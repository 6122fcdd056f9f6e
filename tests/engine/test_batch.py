"""The demo model and its adapter answer the demo data, one after the other."""

from collections.abc import Iterator

import pytest

from studio.actions.batch import contender_of, read_table
from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.actions.home import DEMO_MODEL
from studio.actions.runs import RunView
from studio.core.batch import BatchRequest
from studio.core.endpoint import Sampling
from studio.stores.home import Home

pytestmark = pytest.mark.slow


@pytest.fixture
def models() -> Iterator[ChatModels]:
    models = ChatModels()
    yield models
    models.close()


def test_a_model_and_its_adapter_answer_side_by_side(
    engine_home: Home, lora_run: RunView, models: ChatModels
) -> None:
    batches = Batches(engine_home, models)
    contenders = (
        contender_of(engine_home, str(engine_home.models / DEMO_MODEL)),
        contender_of(engine_home, lora_run.run),
    )
    request = BatchRequest(
        dataset="medical_zh", contenders=contenders, sampling=Sampling(max_tokens=16), first=1, limit=3
    )
    name = batches.start(request).name
    view = batches.wait(name, 300)
    assert (view.state, view.total, view.failed) == ("finished", 6, 0)
    table = read_table(engine_home, name)
    assert table.labels == [DEMO_MODEL, lora_run.run]
    assert table.questions[0].reference == "多数成年人每晚睡七到九小时较为合适。"
    assert all(answer.completion_tokens is not None for answer in table.answers.values())
    bare, adapted = ([table.answers[row, label].text for row in (1, 2, 3)] for label in table.labels)
    assert bare != adapted
    # What was loaded for the batch went with it.
    assert models.loaded() == []


def test_a_model_that_somebody_talks_to_stays_loaded(engine_home: Home, models: ChatModels) -> None:
    loaded = models.load(engine_home, DEMO_MODEL, user="a window")
    batches = Batches(engine_home, models)
    contenders = (contender_of(engine_home, DEMO_MODEL),)
    request = BatchRequest(pasted="你好？", contenders=contenders, sampling=Sampling(max_tokens=4))
    assert batches.wait(batches.start(request).name, 300).state == "finished"
    assert [model.key for model in models.loaded()] == [loaded.key]
