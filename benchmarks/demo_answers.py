"""Does a newcomer's Start work? Trains with the Train tab's defaults and asks every training question.

`python -m benchmarks.demo_answers [KEY=VALUE …]` prints the seconds of training and the share of questions
that the result answers exactly, greedily, through the studio's own path: the request, the supervisor, the
engine, the chat server. The README's claim is at least 90 % in under 120 s on two cores.
"""

import json
import sys
import tempfile
from pathlib import Path

from studio.actions.chat import ChatModels
from studio.actions.home import make_demo_model, open_home
from studio.actions.rows import read_page
from studio.actions.runs import wait_run
from studio.actions.train import default_request, request_from_keys, start_run
from studio.core.endpoint import Sampling
from studio.core.runs import RunView
from studio.jobs.endpoint import ask
from studio.stores.home import Home


def train(home: Home, keys: dict[str, str]) -> RunView:
    """Run the Train tab's defaults, with some keys changed, to the end."""
    make_demo_model(home)
    return wait_run(home, start_run(home, request_from_keys(home, keys)).run)


def ask_all(home: Home, run: str, dataset: str) -> list[tuple[str, str, str]]:
    """(question, wanted answer, given answer) of every row of a dataset of single questions."""
    page = read_page(home, dataset, 1, 1000)
    models = ChatModels()
    try:
        loaded = models.load(home, run)
        asked: list[tuple[str, str, str]] = []
        for row in page.rows:
            question, answer = (message["content"] for message in row["messages"])
            reply = ask(loaded.endpoint, [{"role": "user", "content": question}], Sampling(max_tokens=128))
            given = reply.content
            asked.append((question, answer, given))
        return asked
    finally:
        models.close()


def main() -> int:
    keys = dict(pair.split("=", 1) for pair in sys.argv[1:])
    with tempfile.TemporaryDirectory() as folder:
        home = open_home(Path(folder))
        view = train(home, keys)
        assert view.state == "finished", view.cause
        asked = ask_all(home, view.run, default_request(home).datasets[0])
    exact = sum(wanted == given for _, wanted, given in asked)
    for question, wanted, given in [row for row in asked if row[1] != row[2]][:5]:
        print(f"{question}\n  wanted {wanted}\n  given  {given}", file=sys.stderr)
    print(
        json.dumps(
            {
                "steps": view.step,
                "training_s": round(view.elapsed_s or 0, 1),
                "loss": view.loss,
                "exact": exact,
                "questions": len(asked),
                "share": round(exact / len(asked), 3),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
