"""An export, a proof, a package or a push as the page shows it: its state, and what came out."""

import html
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from studio.actions.export import ExportView, find_export
from studio.actions.hand_on import HandOnView, find_hand_on
from studio.actions.proofs import ProofView, view_proof
from studio.core.units import say_seconds, say_size
from studio.stores.home import Home
from studio.texts import say, word_check, word_error, word_problem
from studio.ui.words import attempt, copied_notice, copy_button, notice, progress_bar, refusals, train_first


def show_export(home: Home, run: str, language: str) -> dict[str, Any]:
    """What the page shows of a run's newest export: `card` as HTML, and the model where it is there."""
    view, failed = (None, "") if not run else attempt(lambda: find_export(home, run), language)
    if view is None:
        told = failed or (notice(say("export.none", language)) if run else train_first("export.no_run", language))
        return {"card": told + refusals({"export-cancel": "no_export"}, language)}
    there = view.target if view.is_there else ""
    cancel = refusals({"export-cancel": "" if view.is_active else "no_export"}, language)
    return {"card": _export_card(view, language) + cancel, "there": there}


def show_proof(home: Home, name: str, language: str) -> dict[str, Any]:
    """What the page shows of a proof that was made alone: `card` as HTML."""
    view, failed = attempt(lambda: view_proof(home, name), language) if name else (None, "")
    cancel = refusals({"prove-cancel": "" if view and view.is_active else "no_proof"}, language)
    return {"card": (_proof_card(view, language) if view else failed) + cancel}


def show_hand_on(home: Home, kind: str, model: str, language: str) -> dict[str, Any]:
    """What the page shows of a model's package or push: `card` as HTML."""
    view, failed = attempt(lambda: find_hand_on(home, kind, model), language)
    return {"card": failed if view is None else _hand_on_card(view, language)}


def _export_card(view: ExportView, language: str) -> str:
    facts = {**_numbers(view.report), **_times(view.seconds, language)} if view.report else {}
    link = f"studio/export/report.json?run={quote(view.run)}&name={quote(view.name)}"
    cause = copied_notice(word_problem(view.cause, language), "bad", language) if view.cause else ""
    if view.is_there:
        target = html.escape(view.target) + copy_button(view.target, "path", language)
        cause = f'<p class="line">{html.escape(say("export.target", language))}: {target}</p>'
    elif view.state == "stopped":
        cause = notice(say("export.stopped", language))
    elif view.state == "lost":
        cause = notice(say("export.lost", language), "bad")
    head = _head(view.name, view.state, view.phase if view.is_active else "", language)
    proof = _proof(view.report, facts, link, language) if view.report else ""
    name = html.escape(view.name)
    return f'<div class="card" data-state="{view.state}" data-name="{name}">{head}{proof}{cause}</div>'


def _proof_card(view: ProofView, language: str) -> str:
    facts: dict[str, str] = {}
    if view.report:
        facts = {**_numbers(view.report), **_times(view.report.get("seconds", {}), language)}
    link = f"studio/proof/report.json?name={quote(view.name)}"
    failed = notice(word_error(view.failed, language), "bad") if view.failed else ""
    head = _head(view.merged, view.state, view.phase if view.is_active else "", language)
    proof = _proof(view.report, facts, link, language) if view.report else ""
    return f'<div class="card" data-state="{view.state}">{head}{proof}{failed}</div>'


def _hand_on_card(view: HandOnView, language: str) -> str:
    done = 100 * view.done / view.total if view.total else 0
    told = f"{say_size(view.done)} / {say_size(view.total)} {view.file}" if view.is_active else ""
    if view.failed:
        told = notice(word_error(view.failed, language), "bad")
    elif view.state == "finished":
        told = _result(view, language)
    else:
        told = f'<p class="line">{html.escape(told)}</p>'
    title = view.where.rpartition("/")[2] if view.kind == "package" else f"{view.hub}: {view.where}"
    return (
        f'<div class="card" data-state="{view.state}">{_head(title, view.state, "", language)}'
        f"{progress_bar(done, language)}{told}</div>"
    )


def _result(view: HandOnView, language: str) -> str:
    if view.kind == "push":
        return f'<p class="line">{html.escape(say("push.done", language, hub=view.hub, where=view.where))}</p>'
    link = f"studio/package.tar?model={quote(view.model)}"
    return (
        f'<p class="line">{html.escape(view.where)}</p>'
        f'<p class="line"><a href="{link}" download>{html.escape(say("package.download", language))}</a></p>'
    )


def _head(name: str, state: str, phase: str, language: str) -> str:
    told = html.escape(say(f"phase.{phase}", language)) if phase else ""
    return (
        f'<div class="top"><b>{html.escape(name)}</b><span class="pill {state}">'
        f'{html.escape(say(f"state.{state}", language))}</span><span class="phase">{told}</span></div>'
    )


def _numbers(report: Mapping[str, Any]) -> dict[str, str]:
    def number(key: str, form: str) -> str:
        value = report.get(key)
        return "–" if value is None else format(value, form)

    return {
        "export.difference": number("max_difference", ".2e"),
        "export.mean": number("mean_difference", ".2e"),
        "export.tolerance": number("tolerance", "g"),
        "export.precision.of": str(report.get("precision", "–")),
    }


def _times(seconds: Mapping[str, float], language: str) -> dict[str, str]:
    """What merging cost, and what the proof did, apart."""
    merging = [seconds[name] for name in ("adding", "merging", "completing") if name in seconds]
    told = {"export.merged_in": say_seconds(sum(merging), language)} if merging else {}
    return told | ({"export.proved_in": say_seconds(seconds["proving"], language)} if "proving" in seconds else {})


def _proof(report: Mapping[str, Any], facts: Mapping[str, str], link: str, language: str) -> str:
    verdict = "pass" if report["verdict"] == "PASS" else "fail"
    items = "".join(
        f"<div><dt>{html.escape(say(key, language))}</dt><dd>{html.escape(value)}</dd></div>"
        for key, value in facts.items()
    )
    checks = "".join(
        f'<li data-check="{html.escape(check["name"])}" data-passed="{str(check["passed"]).lower()}">'
        f"{'✓' if check['passed'] else '✗'} {html.escape(say('check.' + check['name'], language))} "
        f'<span class="detail">{html.escape(word_check(check, language))}</span></li>'
        for check in report["checks"]
    )
    word = html.escape(say(f"export.{verdict}", language))
    return (
        f'<hr><div class="top"><span class="pill {verdict}">{word}</span>'
        f'<a class="phase" href="{link}" download>{html.escape(say("export.report", language))}</a></div>'
        f'<dl class="facts" style="margin-top:10px">{items}</dl><ul class="checks">{checks}</ul>'
    )
