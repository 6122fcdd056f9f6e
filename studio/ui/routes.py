"""Our own routes beside Gradio's: the points of a chart, and the files of the page."""

import hashlib
import json
from pathlib import Path

import plotly
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response

from studio.actions.runs import read_chart
from studio.errors import NotFound
from studio.stores.home import Home
from studio.ui.look import ASSETS

PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
SHOWN = ("loss", "eval_loss")


def build_routes(home: Home) -> APIRouter:
    """`studio/points`, `studio/plotly.js`, `studio/chart.js`."""
    router = APIRouter(prefix="/studio")

    @router.get("/points")
    def points(request: Request, run: str, x_min: float | None = None, x_max: float | None = None) -> Response:
        """The curves of a run, within the visible steps, thinned out; 304 when nothing came."""
        try:
            chart = read_chart(home, run, x_min, x_max)
        except NotFound as error:
            raise HTTPException(404, "no such run") from error
        tag = f'"{hashlib.sha1(f"{run}{chart.version}{x_min}{x_max}".encode()).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        series = {name: _finite(chart.series[name]) for name in SHOWN if name in chart.series}
        body = json.dumps({"run": run, "points": chart.points, "series": series})
        return Response(body, media_type="application/json", headers=headers)

    @router.get("/plotly.js")
    def plotly_js() -> FileResponse:
        return FileResponse(PLOTLY, media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})

    @router.get("/chart.js")
    def chart_js() -> FileResponse:
        return FileResponse(
            ASSETS / "chart.js", media_type="text/javascript", headers={"Cache-Control": "no-cache"}
        )

    return router


def _finite(points: tuple[list[float], list[float]]) -> tuple[list[float], list[float | None]]:
    """JSON has no NaN; a gap in the line shows where the loss was none."""
    xs, ys = points
    return xs, [y if y - y == 0 else None for y in ys]
