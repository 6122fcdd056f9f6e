"""Our own routes beside Gradio's: what follows a run while it lives, and the files of the page.

Each answer carries a tag, so that asking again costs next to nothing while nothing has changed.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import plotly
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from studio.actions.rows import iter_faulty, iter_rows
from studio.actions.runs import read_chart
from studio.actions.versions import data_file
from studio.core.rows import Fault
from studio.errors import NotFound, StudioError
from studio.stores.home import Home
from studio.texts import word_fault
from studio.ui.export_card import show_export
from studio.ui.look import ASSETS
from studio.ui.run_card import show_run

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
Language = Literal["en", "zh"]
SHOWN = ("loss", "eval_loss")


SCRIPTS = ("chart.js", "live.js")


def build_routes(home: Home) -> APIRouter:
    """What the page asks for under `studio/`: runs, exports, data files, plotly and our own scripts."""
    router = APIRouter(prefix="/studio")

    @router.get("/run")
    def run_panel(request: Request, run: str = "", language: Language = "en") -> Response:
        """State, numbers and log of a run."""
        return _tagged(request, show_run(home, run, language))

    @router.get("/export")
    def export_panel(request: Request, run: str = "", language: Language = "en") -> Response:
        """State, proof and log of a run's newest export."""
        return _tagged(request, show_export(home, run, language))

    @router.get("/points")
    def points(request: Request, run: str, x_min: float | None = None, x_max: float | None = None) -> Response:
        """The curves of a run, within the visible steps, thinned out; 304 when nothing came."""
        try:
            chart = read_chart(home, run, x_min, x_max)
        except NotFound as error:
            raise HTTPException(404, "no such run") from error
        series = {name: _finite(chart.series[name]) for name in SHOWN if name in chart.series}
        return _tagged(request, {"run": run, "points": chart.points, "series": series})

    @router.get("/data")
    def data(name: str) -> Response:
        """The file of a registered dataset, to keep; of a folder, its rows as JSONL."""
        try:
            path = data_file(home, name)
        except StudioError as error:
            raise HTTPException(404, "no such dataset") from error
        if path.is_file():
            return FileResponse(path, filename=path.name)
        return _jsonl(name, (raw for _, raw, _ in iter_rows(home, name) if not isinstance(raw, Fault)))

    @router.get("/faulty")
    def faulty(name: str, language: Language = "en") -> Response:
        """The rows of a dataset that cannot be trained on, as JSONL, each with what is wrong."""
        try:
            data_file(home, name)
        except StudioError as error:
            raise HTTPException(404, "no such dataset") from error
        rows = (_faulty_row(fault, raw, language) for fault, raw in iter_faulty(home, name))
        return _jsonl(f"{name}-faulty", rows)

    @router.get("/plotly.js")
    def plotly_js() -> FileResponse:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})

    @router.get("/{name}.js")
    def script(name: str) -> FileResponse:
        if f"{name}.js" not in SCRIPTS:
            raise HTTPException(404, "no such script")
        return FileResponse(
            ASSETS / f"{name}.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"}
        )

    return router


def _jsonl(name: str, rows: Iterable[object]) -> Response:
    """Rows as a file to keep, sent as they are read."""
    lines = (json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows)
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}.jsonl"}
    return StreamingResponse(lines, media_type="application/jsonl", headers=headers)


def _faulty_row(fault: Fault, raw: object, language: str) -> dict[str, object]:
    reason = word_fault(fault.code, fault.values, language)
    return {"file": fault.file, "line": fault.line, "field": fault.field, "reason": reason, "row": raw}


def _tagged(request: Request, value: object) -> Response:
    """A value as JSON; 304 when the browser has it already."""
    body = json.dumps(value, ensure_ascii=False)
    headers = {"ETag": f'"{hashlib.sha1(body.encode()).hexdigest()}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def _finite(points: tuple[list[float], list[float]]) -> tuple[list[float], list[float | None]]:
    """JSON has no NaN; a gap in the line shows where the loss was none."""
    xs, ys = points
    return xs, [y if y - y == 0 else None for y in ys]
