"""The routes of evaluations and probes: one that is followed while it lives, and its results to keep."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from studio.actions.batch import word_reason
from studio.actions.evaluation import read_report
from studio.core.report import Report
from studio.core.report_writing import report_csv, report_json, report_markdown
from studio.errors import NotFound
from studio.stores.home import Home
from studio.texts import say
from studio.ui.evaluate_card import show_evaluation
from studio.ui.evaluation_page import write_evaluation_page
from studio.ui.probes_card import show_probes
from studio.ui.tagged import Language, Shared, kept_file, tagged


def _csv(report: Report, language: Language) -> bytes:
    # Spreadsheets know by its mark that it is UTF-8.
    return report_csv(report, partial(word_reason, language=language)).encode("utf-8-sig")


Kind = Literal["csv", "json", "md", "html"]
# By what a file's name ends in: what it is, and who writes it.
WRITERS: dict[Kind, tuple[str, Callable[[Report, Language], bytes]]] = {
    "csv": ("text/csv; charset=utf-8", _csv),
    "json": ("application/json", lambda report, _: report_json(report).encode()),
    "md": (
        "text/markdown; charset=utf-8",
        lambda report, language: report_markdown(report, partial(say, language=language)).encode(),
    ),
    "html": (
        "text/html; charset=utf-8",
        lambda report, language: write_evaluation_page(report, language).encode(),
    ),
}


def build_evaluate_routes(home: Home) -> APIRouter:
    """What the Evaluate tab asks for."""
    router = APIRouter()
    shown = Shared(show_evaluation)
    shown_probes = Shared(show_probes)

    @router.get("/evaluation")
    def evaluation(
        request: Request,
        name: str = "",
        page: Annotated[int, Query(ge=1)] = 1,
        metric: str = "",
        label: str = "",
        order: str = "",
        language: Language = "en",
    ) -> Response:
        """How far an evaluation is, its scores, and a page of its rows; 304 when nothing came."""
        return tagged(request, shown(home, name, page, metric, label, order, language))

    @router.get("/probes")
    def probes(request: Request, name: str = "", page: int = 1, language: Language = "en") -> Response:
        """What each checkpoint of a run has said so far; 304 when nothing came."""
        return tagged(request, shown_probes(home, name, language))

    @router.get("/evaluation.{kind}")
    def keep(kind: Kind, name: str, language: Language = "en") -> Response:
        """The whole report, to keep."""
        report = read_report(home, name)
        if report is None:
            raise NotFound("nothing_scored", "name")
        media_type, write = WRITERS[kind]
        return kept_file(write(report, language), media_type, f"{name}.{kind}")

    return router
