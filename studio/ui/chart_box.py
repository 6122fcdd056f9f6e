"""The place of a chart, which `chart.js` fills; and the same chart as a page of its own."""

import html
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from studio.actions.curves import CurveView
from studio.core.curves import AXES
from studio.core.measures import MEASURES, PANELS, find_measure
from studio.texts import say

MARKS = ("best", "saved", "resumed", "spike")
KEPT_AS = ("csv", "json", "html")
IMAGES = ("png", "svg")
BUTTONS = ("png", "zoom", "pan", "in", "out", "autoscale", "reset")
GRID = "#e2e8f0"
COLORS = ("#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#ec4899", "#84cc16")


def chart_box(name: str, follow: str, language: str) -> str:
    """A chart named `name` of the runs that the element `follow` (a selector) names in its data."""
    words = html.escape(json.dumps(chart_words(language), ensure_ascii=False))
    axes = "".join(f'<option value="{axis}">{html.escape(say(f"axis.{axis}", language))}</option>' for axis in AXES)
    links = "".join(f'<a data-keep="{kind}" download hidden>{kind.upper()}</a>' for kind in KEPT_AS)
    links += f'<a data-keep="zip" download hidden title="{html.escape(say("chart.bundle.help", language))}">'
    links += f"{html.escape(say('chart.bundle', language))}</a>"
    images = "".join(f'<button type="button" data-image="{kind}">{kind.upper()}</button>' for kind in IMAGES)

    def label(key: str) -> str:
        return html.escape(say(f"chart.{key}", language))

    return (
        f'<div class="chart" data-chart="{name}" data-follow="{html.escape(follow)}" data-words="{words}">'
        f'<div class="chart-bar"><div class="chips" role="group" aria-label="{label("panels")}"></div></div>'
        f'<div class="chart-bar"><label>{label("axis")} <select data-control="axis">{axes}</select></label>'
        f'<label><input type="checkbox" data-control="log"> {label("log")}</label>'
        f'<label>{label("weight")} <input type="range" min="0" max="0.99" step="0.01" value="0" '
        'data-control="weight"><output>–</output></label>'
        f'<span class="keep">{label("keep")}: {links}{images}</span></div>'
        f'<div class="plot-place"><div id="{name}-plot" class="plot" role="figure" data-points="0" '
        f'aria-label="{html.escape(say("train.chart", language))}"></div>'
        f'<div class="plot-empty">{html.escape(say("train.chart.empty", language))}</div></div></div>'
    )


@cache
def chart_words(language: str) -> Mapping[str, Mapping[str, str]]:
    """What the script must be able to say."""
    return {
        "panels": {panel: say(f"panel.{panel}", language) for panel in PANELS},
        "measures": {measure.name: say(f"measure.{measure.name}", language) for measure in MEASURES},
        "axes": {axis: say(f"axis.{axis}", language) for axis in AXES},
        "marks": {mark: say(f"mark.{mark}", language) for mark in MARKS},
        # By what plotly says itself.
        "bar": {say(f"bar.{button}"): say(f"bar.{button}", language) for button in BUTTONS},
    }


def write_chart_page(views: Mapping[str, CurveView], axis: str, log: bool, language: str) -> str:
    """Curves as one HTML file that needs nothing else: plotly is inside."""
    # Takes a second to import, which nobody waits for who keeps no chart.
    import plotly.io

    words = chart_words(language)
    panels = list(dict.fromkeys(curve.panel for view in views.values() for curve in view.curves)) or ["loss"]
    share = 1 / len(panels)
    layout: dict[str, Any] = {
        "title": {"text": ", ".join(views)},
        "plot_bgcolor": "#ffffff",
        "height": 160 + 280 * len(panels),
        "hovermode": "x unified",
        "hoversubplots": "axis",
        "xaxis": {"title": {"text": words["axes"][axis]}, "anchor": _axis("y", len(panels) - 1), "gridcolor": GRID},
    }
    for place, panel in enumerate(panels):
        layout[_axis("yaxis", place)] = {
            "domain": [max(0.0, 1 - share * (place + 0.85)), 1 - share * place],
            "title": {"text": words["panels"].get(panel, panel)},
            "type": "log" if log else "linear",
            "gridcolor": GRID,
            "exponentformat": "power",
        }
    data = [
        trace
        for number, (run, view) in enumerate(views.items())
        for trace in _traces(run if len(views) > 1 else "", view, panels, number, words["measures"])
    ]
    figure = {"data": data, "layout": layout}
    return plotly.io.to_html(
        figure,
        include_plotlyjs=True,
        validate=False,
        config={"displaylogo": False, "modeBarButtonsToRemove": ["sendChartToCloud"]},
    )


def _traces(
    run: str, view: CurveView, panels: Sequence[str], number: int, words: Mapping[str, str]
) -> list[dict[str, Any]]:
    traces: list[dict[str, Any]] = []
    for among, curve in enumerate(view.curves):
        told = words.get(find_measure(curve.name).name, curve.name)
        common: dict[str, Any] = {
            "type": "scatter",
            "mode": "lines",
            "name": f"{run} · {told}" if run else told,
            "x": curve.xs.tolist(),
            "yaxis": _axis("y", panels.index(curve.panel)),
            "line": {
                "color": COLORS[(number if run else among) % len(COLORS)],
                "dash": "dash" if run and curve.name.startswith("eval_") else "solid",
                "width": 2,
            },
        }
        if curve.smooth is None:
            traces.append({**common, "y": _finite(curve.ys.tolist())})
        else:
            traces.append({**common, "y": _finite(curve.ys.tolist()), "opacity": 0.25, "showlegend": False})
            traces.append({**common, "y": _finite(curve.smooth.tolist())})
    return traces


def _axis(kind: str, place: int) -> str:
    return f"{kind}{place + 1}" if place else kind


def _finite(values: Sequence[float]) -> list[float | None]:
    """JSON has no NaN; where a value is none, the line has a gap."""
    return [value if value - value == 0 else None for value in values]
