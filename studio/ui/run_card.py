"""A run as the page shows it: state and numbers."""

import html
from collections.abc import Sequence
from typing import Any

from studio.actions.evaluation import RunScores, list_run_scores
from studio.actions.repair import find_repair
from studio.actions.runs import find_run
from studio.core.paddleformers.remedies import Remedy
from studio.core.reasons import why_not_stop
from studio.core.report import is_gain
from studio.core.report_writing import format_change, format_value
from studio.core.runs import RunView
from studio.core.units import say_duration, say_seconds
from studio.errors import Problem
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.words import attempt, copied_notice, copy_button, field_label, notice, progress_bar, refusals

# What a line has room for.
TOLD_METRICS = frozenset({"f1", "loss", "label_accuracy", "choice_accuracy", "preference_accuracy", "judge"})


def show_run(home: Home, run: str, language: str) -> dict[str, Any]:
    """What the page shows of a run: `card` as HTML, which says whether it can be stopped, too."""
    if not run:
        return {"card": notice(say("train.no_run", language)) + _refusals(None, language)}
    view, told = attempt(lambda: find_run(home, run), language)
    if told:
        return {"card": told + _refusals(None, language)}
    # The scores of a run that trains again are those of what it was.
    scores = [] if view.is_active else list_run_scores(home, view.run)
    final = [each for each in scores if each.checkpoint is None]
    return {"card": run_card(view, language, find_repair(view), final) + _refusals(view, language)}


def _refusals(view: RunView | None, language: str) -> str:
    code = why_not_stop(view is not None, view is not None and view.is_active)
    return refusals(dict.fromkeys(("train-stop", "train-stop-now"), code), language)


def card_box(part: str) -> str:
    """The place of a card; `live.js` fills it."""
    return f'<div data-live="{part}.card"></div>'


def run_marker(run: str | None, language: str) -> str:
    """Where the scripts read which run to show, and in which language."""
    return f'<span data-run="{html.escape(run or "")}" data-language="{language}"></span>'


def run_card(view: RunView, language: str, remedy: Remedy | None = None, scores: Sequence[RunScores] = ()) -> str:
    done = 100 * view.step / view.total_steps if view.total_steps else 0
    facts = {
        "train.step": f"{view.step} / {view.total_steps or '–'}",
        "train.elapsed": _time(view.elapsed_s, language),
        "train.remaining": _time(view.remaining_s, language),
        "train.speed": f"{view.tokens_per_s:,.0f}" if view.tokens_per_s else "–",
        "train.loss": f"{view.loss:.4f}" if view.loss is not None else "–",
        "train.eval_loss": f"{view.eval_loss:.4f}" if view.eval_loss is not None else "–",
    }
    items = "".join(f"<div><dt>{html.escape(say(k, language))}</dt><dd>{v}</dd></div>" for k, v in facts.items())
    state = html.escape(say(f"state.{view.state}", language))
    phase = html.escape(say(f"phase.{view.phase}", language)) if view.is_active and view.phase != "stopping" else ""
    if view.place:
        phase = html.escape(say("queue.held" if view.held else "queue.place", language, place=view.place))
    spent = " · ".join(
        f"{say(f'phase.{name}', language)} {say_duration(seconds, language)}"
        for name, seconds in view.phases.items()
    )
    cause = view.cause or (Problem("", "lost") if view.state == "lost" else None)
    kind = "info" if view.state == "stopped" else "bad"
    why = copied_notice(word_problem(cause, language), kind, language) if cause else ""
    if remedy:
        why += notice(word_remedy(remedy, language))
    if scores:
        why += notice(word_scores(scores[0], language), "good" if _gained(scores[0]) else "info")
    if view.not_done:
        why += notice(say("run.not_compared", language, reason=word_problem(view.not_done, language)))
    if view.webhook_error:
        why += notice(say("notify.failed", language, reason=view.webhook_error))
    if view.silent_s:
        why += notice(say("train.silent", language, minutes=int(view.silent_s // 60)))
    return (
        f'<div class="card" data-state="{view.state}" data-run="{html.escape(view.run)}">'
        f'<div class="top"><b>{html.escape(view.name)}</b>{copy_button(view.name, "name", language)}'
        f'<span class="pill {view.state}">{state}</span><span class="phase">{phase}</span>'
        f"{_copies(view, language)}</div>"
        f'{progress_bar(done, language)}<dl class="facts">{items}</dl>'
        f'<p class="line">{html.escape(spent)}</p>{why}</div>'
    )


def _time(seconds: float | None, language: str) -> str:
    exact = "" if seconds is None else f' title="{html.escape(say_seconds(seconds, language))}"'
    return f"<span{exact}>{html.escape(say_duration(seconds, language))}</span>"


def _copies(view: RunView, language: str) -> str:
    """What can be taken away: the folder of the run, and a link to it."""
    buttons = "".join(
        f'<button type="button" data-{kind}="{html.escape(value)}">{html.escape(say(key, language))}</button>'
        for kind, value, key in (("copy", view.path, "copy.path"), ("copy-link", view.name, "link.copy"))
    )
    return f'<span class="keep">{buttons}</span>'


def word_scores(scores: RunScores, language: str) -> str:
    """The newest scores of a run in one line, with what changed against the model they were compared with."""
    told = [
        f"{say(f'metric.{name}', language)} {format_value(name, estimate.value)}"
        + (f" ({format_change(name, change.value)})" if (change := scores.differences.get(name)) else "")
        for name, estimate in scores.estimates.items()
        if name in TOLD_METRICS
    ]
    return say("run.scored", language, dataset=scores.dataset, scores=" · ".join(told))


def _gained(scores: RunScores) -> bool:
    """Whether it is certainly better in what is told, and in nothing of it certainly worse."""
    certain = [
        is_gain(name, change.value)
        for name, change in scores.differences.items()
        if name in TOLD_METRICS and change.is_certain
    ]
    return bool(certain) and all(certain)


def word_remedy(remedy: Remedy, language: str) -> str:
    """What “mend and run again” does."""
    if remedy.resume:
        return say("repair.resume", language)
    changes = [
        say(
            "repair.change",
            language,
            name=field_label(name, language),
            before=_say_value(before, language),
            after=_say_value(after, language),
        )
        if after is not None
        else say("repair.gone", language, name=name)
        for name, (before, after) in remedy.changes.items()
    ]
    separator = say("repair.and", language)
    return (
        say("repair.with", language, changes=separator.join(changes)) if changes else say("repair.again", language)
    )


def _say_value(value: object, language: str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value) or say("repair.empty", language)
