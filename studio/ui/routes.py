"""Our own routes beside Gradio's: what follows a run while it lives, and the files of the page."""

import csv
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import plotly
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from studio.actions.bundles import pack_bundle
from studio.actions.curves import CurveQuery, list_points, view_curves
from studio.actions.logs import find_first_error, find_text, list_logs, log_file, read_log_part
from studio.actions.rows import iter_faulty, iter_rows
from studio.actions.versions import data_file
from studio.core.curves import Axis
from studio.core.rows import Fault
from studio.errors import NotFound
from studio.stores.home import Home
from studio.texts import word_fault
from studio.ui.batch_routes import build_batch_routes
from studio.ui.chart_box import write_chart_page
from studio.ui.evaluate_routes import build_evaluate_routes
from studio.ui.export_routes import build_export_routes
from studio.ui.history_routes import build_history_routes
from studio.ui.log_box import log_html
from studio.ui.look import ASSETS
from studio.ui.points import MEDIA_TYPE, pack_curves
from studio.ui.run_card import show_run
from studio.ui.serve_routes import build_serve_routes
from studio.ui.tagged import Language, Shared, hash_text, kept_file, tagged, tagged_body

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SCRIPTS = (
    *("page", "answers", "parts", "form", "links", "tour", "shortcuts"),
    *("access", "live", "chart", "log", "history", "notify", "batch", "serve"),
)


def build_routes(home: Home) -> APIRouter:
    """What the page asks for under `studio/`: runs, exports, data files, plotly and our own scripts."""
    router = APIRouter(prefix="/studio")
    shown_run = Shared(show_run)
    router.include_router(build_history_routes(home))
    router.include_router(build_batch_routes(home))
    router.include_router(build_serve_routes(home))
    router.include_router(build_evaluate_routes(home))
    router.include_router(build_export_routes(home))

    @router.get("/run")
    def run_panel(request: Request, run: str = "", language: Language = "en") -> Response:
        """State, numbers and log of a run."""
        return tagged(request, shown_run(home, run, language))

    @router.get("/points")
    def points(
        request: Request,
        run: str,
        panels: str = "loss",
        axis: Axis = "step",
        weight: Annotated[float, Query(ge=0, lt=1)] = 0.0,
        x_min: float | None = None,
        x_max: float | None = None,
    ) -> Response:
        """The curves of a run, within what is visible, thinned out; 304 when nothing came. See `points.py`."""
        query = CurveQuery(tuple(panels.split(",")), axis, weight, x_min, x_max)
        view = view_curves(home, run, query)
        tag = f"{view.version}-{hash_text(repr(query))}"
        return tagged_body(request, tag, lambda: pack_curves(view, {"run": run}), MEDIA_TYPE)

    @router.get("/log")
    def log(
        run: str,
        name: str = "",
        start: Annotated[int | None, Query(ge=0)] = None,
        before: Annotated[int | None, Query(ge=0)] = None,
        export: bool = False,
    ) -> dict[str, object]:
        """Lines of a log as HTML, from a byte on, before a byte, or the last; and which logs there are."""
        part = read_log_part(home, run, name, start, before, export)
        names = list_logs(home, run, export)
        facts = {"start": part.start, "end": part.end, "total": part.total, "names": names}
        return {**facts, "html": log_html(part.text), "rest": log_html(part.rest)}

    @router.get("/log/find")
    def find(
        run: str,
        name: str = "",
        text: Annotated[str, Query(max_length=1000)] = "",
        after: Annotated[int | None, Query(ge=0)] = None,
        before: Annotated[int | None, Query(ge=0)] = None,
        export: bool = False,
    ) -> dict[str, int | None]:
        """Where a line with a text begins, the next or the one before; without a text that of the first error."""
        if text:
            return {"at": find_text(home, run, text, name, after, before, export)}
        return {"at": find_first_error(home, run, name, export)}

    @router.get("/log/file")
    def whole_log(run: str, name: str = "", export: bool = False) -> Response:
        """The whole log, to keep."""
        path = log_file(home, run, name, export)
        if not path.is_file():
            raise NotFound("nothing_logged", "log")
        return FileResponse(path, filename=f"{Path(run).name}-{path.name}", media_type="text/plain")

    @router.get("/metrics.csv")
    def metrics_csv(run: str) -> Response:
        """All points of a run as a table; what was not measured at a moment is empty, what was no number `nan`."""
        rows = list(list_points(home, run))
        names = list(dict.fromkeys(name for row in rows for name in row))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(names)
        for row in rows:
            writer.writerow(("nan" if row[name] is None else row[name]) if name in row else "" for name in names)
        return kept_file(text.getvalue(), "text/csv; charset=utf-8", f"{Path(run).name}.csv")

    @router.get("/metrics.json")
    def metrics_json(run: str) -> Response:
        """All points of a run; what was no number is null."""
        told = {"run": run, "points": list(list_points(home, run))}
        return kept_file(json.dumps(told, ensure_ascii=False), "application/json", f"{Path(run).name}.json")

    @router.get("/metrics.html")
    def metrics_html(
        run: Annotated[list[str], Query()],
        panels: str = "loss",
        axis: Axis = "step",
        weight: Annotated[float, Query(ge=0, lt=1)] = 0.0,
        log: bool = False,
        language: Language = "en",
    ) -> Response:
        """The chart as one file that needs nothing else."""
        query = CurveQuery(tuple(panels.split(",")), axis, weight)
        views = {Path(one).name: view_curves(home, one, query) for one in run}
        page = write_chart_page(views, axis, log, language)
        return kept_file(page, "text/html; charset=utf-8", f"{'-'.join(views)}.html")

    @router.get("/bundle.zip")
    def bundle(run: str) -> Response:
        """What it takes to run a run again somewhere else."""
        return kept_file(pack_bundle(home, run), "application/zip", f"{Path(run).name}.zip")

    @router.get("/data")
    def data(name: str) -> Response:
        """The file of a registered dataset, to keep; of a folder, its rows as JSONL."""
        path = data_file(home, name)
        if path.is_file():
            return FileResponse(path, filename=path.name)
        return _jsonl(name, (raw for _, raw, _ in iter_rows(home, name) if not isinstance(raw, Fault)))

    @router.get("/faulty")
    def faulty(name: str, language: Language = "en") -> Response:
        """The rows of a dataset that cannot be trained on, as JSONL, each with what is wrong."""
        data_file(home, name)
        rows = (_faulty_row(fault, raw, language) for fault, raw in iter_faulty(home, name))
        return _jsonl(f"{name}-faulty", rows)

    @router.get("/plotly.js")
    def plotly_js() -> FileResponse:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})

    @router.get("/{name}.js")
    def script(name: str) -> FileResponse:
        if name not in SCRIPTS:
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
