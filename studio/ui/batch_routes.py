"""The routes of batches: one that is followed while it lives, and its answers to keep."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from studio.actions.batch import batch_csv, batch_jsonl
from studio.stores.home import Home
from studio.ui.batch_card import show_batch
from studio.ui.tagged import Language, Shared, kept_file, tagged


def build_batch_routes(home: Home) -> APIRouter:
    """What the batch panel asks for."""
    router = APIRouter()
    shown = Shared(show_batch)

    @router.get("/batch")
    def batch(
        request: Request, name: str = "", page: Annotated[int, Query(ge=1)] = 1, language: Language = "en"
    ) -> Response:
        """How far a batch is, and a page of its table; 304 when nothing came."""
        return tagged(request, shown(home, name, page, language))

    @router.get("/batch.csv")
    def as_csv(name: str, language: Language = "en") -> Response:
        """The table, to keep. Spreadsheets know by its mark that it is UTF-8."""
        return kept_file(
            batch_csv(home, name, language).encode("utf-8-sig"), "text/csv; charset=utf-8", f"{name}.csv"
        )

    @router.get("/batch.jsonl")
    def as_jsonl(name: str) -> Response:
        """All that is known of each question, to keep."""
        return kept_file(batch_jsonl(home, name).encode(), "application/jsonl", f"{name}.jsonl")

    return router
