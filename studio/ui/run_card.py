"""A run as the page shows it: state and numbers, the place of its chart, its log."""

import html

from studio.core.runs import RunView
from studio.errors import Problem
from studio.texts import say, word_problem
from studio.ui.words import notice


def run_marker(run: str | None, language: str) -> str:
    """Where the chart's script reads which run to draw, and in which words."""
    names = {"loss": "train.loss", "eval-loss": "train.eval_loss", "x": "train.x"}
    words = " ".join(f'data-{name}="{html.escape(say(key, language))}"' for name, key in names.items())
    return f'<span data-run="{html.escape(run or "")}" {words}></span>'


def chart_box(language: str) -> str:
    label = html.escape(say("train.chart", language))
    empty = html.escape(say("train.chart.empty", language))
    return (
        f'<div id="train-chart-box"><div id="train-plot" role="img" aria-label="{label}" data-points="0"></div>'
        f'<div id="train-plot-empty">{empty}</div></div>'
    )


def log_box(text: str, language: str) -> str:
    shown = html.escape(text or say("train.no_log", language))
    return f'<pre class="log" tabindex="0" aria-label="{html.escape(say("train.log", language))}">{shown}</pre>'


def run_card(view: RunView, language: str) -> str:
    done = 100 * view.step / view.total_steps if view.total_steps else 0
    facts = {
        "train.step": f"{view.step} / {view.total_steps or '–'}",
        "train.elapsed": say_duration(view.elapsed_s),
        "train.remaining": say_duration(view.remaining_s),
        "train.speed": f"{view.tokens_per_s:,.0f}" if view.tokens_per_s else "–",
        "train.loss": f"{view.loss:.4f}" if view.loss is not None else "–",
        "train.eval_loss": f"{view.eval_loss:.4f}" if view.eval_loss is not None else "–",
    }
    items = "".join(f"<div><dt>{html.escape(say(k, language))}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    state = html.escape(say(f"state.{view.state}", language))
    phase = html.escape(say(f"phase.{view.phase}", language)) if view.is_active and view.phase != "stopping" else ""
    cause = view.cause or (Problem("", "lost") if view.state == "lost" else None)
    why = notice(word_problem(cause, language), "bad") if cause else ""
    return (
        f'<div class="card" data-state="{view.state}" data-run="{html.escape(view.run)}">'
        f'<div class="top"><b>{html.escape(view.name)}</b><span class="pill {view.state}">{state}</span>'
        f'<span class="phase">{phase}</span></div>'
        f'<div class="bar" role="progressbar" aria-valuemin="0" aria-valuemax="100" aria-valuenow="{done:.0f}">'
        f'<i style="width:{done:.1f}%"></i></div><dl class="facts">{items}</dl>{why}</div>'
    )


def say_duration(seconds: float | None) -> str:
    """`1:02:03` or `2:03`."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
