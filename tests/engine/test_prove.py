"""A proof whose reader is killed says so, and nothing of the weights; no engine is needed to see that."""

import sys
from pathlib import Path

import pytest

from studio.actions.proofs import view_proof
from studio.core.command import Command
from studio.engine.prove import EndedApart, read_apart
from studio.jobs.launch import CHECKOUT, Step, start_job, wait_job
from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.texts import word_error

KILLED = """
import os, sys
from studio.engine import prove
prove._encode_probes = lambda base: []
prove._read_merged = lambda *_: os.kill(os.getpid(), 9)
sys.exit(prove.main())
"""


def test_what_is_read_apart_comes_back() -> None:
    assert read_apart(lambda: [1, 2]) == [1, 2]


def test_a_reader_that_ends_without_an_answer_is_told_with_its_status() -> None:
    with pytest.raises(EndedApart) as ended:
        read_apart(lambda: sys.exit(3))
    assert ended.value.status == 3


def test_a_killed_reader_is_no_wrong_merge(home: Home, tmp_path: Path) -> None:
    job = home.saves / ".proofs" / "p"
    report = job / "export_report.json"
    flags = [part for name in ("base", "adapter", "merged") for part in (f"--{name}", str(tmp_path))]
    command = Command((sys.executable, "-c", KILLED, *flags, "--report", str(report)), {}, str(CHECKOUT))
    write_json(job / "asked.json", {"merged": "m"})
    start_job(job, [Step("proving", command, (report,))])
    assert wait_job(job)["cause"] == {"code": "killed", "values": {"signal": "SIGKILL"}}
    view = view_proof(home, "p")
    assert (view.state, view.report) == ("failed", None)
    assert view.failed is not None
    assert word_error(view.failed, "en").startswith("It was ended by SIGKILL.")
