"""A batch as the page shows it, and its files."""

import re

import pytest
from fastapi.testclient import TestClient

from studio.actions.batches import Batches
from studio.actions.chat import ChatModels
from studio.core.batch import BatchRequest, Contender
from studio.stores.home import Home
from studio.ui.batch_card import say_left
from tests.actions.model_server import serve


@pytest.fixture
def batch(home: Home) -> str:
    """45 questions, of which the first is markup and the second is refused."""
    with serve() as server:
        batches = Batches(home, ChatModels())
        pasted = "\n".join(["<b>一</b>\t<i>ctx</i>", "refuse", *(f"q{number}" for number in range(43))])
        request = BatchRequest(
            "b", pasted=pasted, contenders=(Contender("<u>far</u>", "m", address=server.address),)
        )
        batches.start(request)
        assert batches.wait("b", 30).state == "incomplete"
    return "b"


def refused(shown: dict[str, str]) -> dict[str, str]:
    """Which buttons a card speaks of, and why they do nothing."""
    return dict(re.findall(r'data-refused="([^"]*)" data-because="([^"]*)"', shown["card"]))


def test_a_page_of_the_table_is_sent_once_and_with_nothing_of_it_as_markup(client: TestClient, batch: str) -> None:
    first = client.get("/studio/batch", params={"name": batch})
    shown = first.json()
    assert refused(shown) == {"batch-cancel": "It is not running.", "batch-resume": "", "batch-remove": ""}
    assert "45 of 45" in shown["card"]
    assert shown["table"].count("<tr data-row=") == 20
    assert "&lt;b&gt;一&lt;/b&gt;" in shown["table"]
    assert not any(tag in shown["card"] + shown["table"] for tag in ("<b>一", "<i>ctx", "<u>far"))
    assert '<td class="bad"><div class="said">The model refused:' in shown["table"]
    again = {"If-None-Match": first.headers["etag"]}
    assert client.get("/studio/batch", params={"name": batch}, headers=again).status_code == 304
    last = client.get("/studio/batch", params={"name": batch, "page": 9, "language": "zh"}, headers=again).json()
    assert last["table"].count("<tr data-row=") == 5
    assert "第 41–45 行，共 45 行" in last["table"]


def test_the_files_are_the_whole_table(client: TestClient, batch: str) -> None:
    table = client.get("/studio/batch.csv", params={"name": batch, "language": "zh"})
    assert table.content.startswith(b"\xef\xbb\xbfrow,question,context,reference,<u>far</u>,errors\n")
    assert "模型拒绝了请求" in table.text
    lines = client.get("/studio/batch.jsonl", params={"name": batch})
    assert len(lines.text.splitlines()) == 45
    assert "b.jsonl" in lines.headers["content-disposition"]


def test_what_is_not_there_is_told(client: TestClient, batch: str) -> None:
    for name in ("c", "../b", "..%2Fb"):
        assert client.get("/studio/batch.csv", params={"name": name}).status_code == 404
        assert client.get("/studio/batch.jsonl", params={"name": name}).status_code == 404
        assert "There is no batch" in client.get("/studio/batch", params={"name": name}).json()["card"]
    assert client.get("/studio/batch").json()["table"] == ""


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.2, "about 1 s left"),
        (59, "about 59 s left"),
        (119, "about 1 min 59 s left"),
        (5400, "about 1 h 30 min left"),
    ],
)
def test_the_rest_is_told_in_its_largest_units(seconds: float, told: str) -> None:
    assert say_left(seconds, "en") == told
