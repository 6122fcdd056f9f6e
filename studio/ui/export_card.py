"""An export as the page shows it: its state, and the proof with its numbers and checks."""

import html
from typing import Any

from studio.actions.export import ExportView, find_export
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.words import attempt, notice


def show_export(home: Home, run: str, language: str) -> dict[str, Any]:
    """What the page shows of a run's newest export: `card` as HTML."""
    view, failed = (None, "") if not run else attempt(lambda: find_export(home, run), language)
    if view is None:
        return {"card": failed or notice(say("export.none" if run else "export.no_run", language))}
    return {"card": _card(view, language)}


def _card(view: ExportView, language: str) -> str:
    """State while it runs; the verdict with its numbers and checks when the proof is made."""
    state = html.escape(say(f"state.{view.state}", language))
    phase = html.escape(say(f"phase.{view.phase}", language)) if view.is_active else ""
    head = (
        f'<div class="top"><b>{html.escape(view.name)}</b><span class="pill {view.state}">{state}</span>'
        f'<span class="phase">{phase}</span></div>'
    )
    cause = notice(word_problem(view.cause, language), "bad") if view.cause else ""
    return f'<div class="card" data-state="{view.state}">{head}{_proof(view, language)}{cause}</div>'


def _proof(view: ExportView, language: str) -> str:
    report = view.report
    if not report:
        return ""
    verdict = "pass" if report["verdict"] == "PASS" else "fail"
    facts = {
        "export.difference": f"{report['max_difference']:.2e}",
        "export.tolerance": f"{report['tolerance']:.0e}",
        "export.target": view.target,
    }
    items = "".join(
        f"<div><dt>{html.escape(say(key, language))}</dt><dd>{html.escape(value)}</dd></div>"
        for key, value in facts.items()
    )
    checks = "".join(
        f"<li>{'✓' if check['passed'] else '✗'} {html.escape(say('check.' + check['name'], language))} "
        f'<span class="detail">{html.escape(str(check["detail"]))}</span></li>'
        for check in report["checks"]
    )
    word = html.escape(say(f"export.{verdict}", language))
    return (
        f'<div class="bar"></div><div class="top"><span class="pill {verdict}">{word}</span></div>'
        f'<dl class="facts" style="margin-top:10px">{items}</dl><ul class="checks">{checks}</ul>'
    )
