"""Rows of a dataset as HTML: raw, as a conversation, as the model sees them, and what is wrong with them."""

import html
import json
from collections.abc import Mapping, Sequence
from typing import Any

from studio.actions.rows import CheckReport, DataPage
from studio.actions.tokens import SeenRow
from studio.core.rows import Fault, Row, Turn
from studio.texts import say, word_fault
from studio.ui.words import notice

SHOWN_FAULTS = 20
LEGEND = (("counts", "tokens.counts"), ("", "tokens.context"), ("cut", "tokens.cut"))


def show_page(page: DataPage, kind: str, language: str) -> str:
    """A page of rows, `rows` as they are or `conversation`s."""
    shown: list[str] = []
    for number, raw, parsed in zip(page.numbers, page.rows, page.parsed, strict=True):
        if isinstance(parsed, Fault):
            told = notice(fault_line(parsed, language), "bad") + (_raw(raw) if raw is not None else "")
        else:
            told = _raw(raw) if kind == "rows" else show_row(parsed, language)
        shown.append(_frame(number, told))
    return page_head(page, language) + "".join(shown)


def show_seen(page: DataPage, seen: Sequence[SeenRow], max_seq_len: int, language: str) -> str:
    """A page of rows as the model sees them."""
    legend = "".join(f'<span class="tok {css}">{html.escape(say(key, language))}</span>' for css, key in LEGEND)
    rows = [
        _frame(
            row.number,
            notice(fault_line(row.fault, language), "bad")
            if row.fault
            else _encoded(row.encoded or {}, max_seq_len, language),
        )
        for row in seen
    ]
    return f'{page_head(page, language)}<p class="legend">{legend}</p>{"".join(rows)}'


def page_head(page: DataPage, language: str) -> str:
    if not page.total:
        return notice(say("dataset.nothing_found", language))
    where = say("dataset.of", language, page=page.page, pages=f"{page.pages:,}", total=f"{page.total:,}")
    return f'<p data-page="{page.page}">{html.escape(where)}</p>'


def show_row(row: Row, language: str) -> str:
    """A row as a conversation."""
    if row.text is not None:
        return _turn(Turn("text", row.text), language)
    turns = "".join(_turn(turn, language) for turn in row.turns)
    for side in ("chosen", "rejected"):
        for turn in getattr(row, side):
            turns += _turn(turn, language, side)
    return turns


def show_check(report: CheckReport, link: str, language: str) -> str:
    """What a check found, with the first faults and a link to all faulty rows."""
    if not report.fault_count:
        return notice(say("dataset.check.ok", language, rows=f"{report.rows:,}"), "good")
    lines = [say("dataset.check.bad", language, count=f"{report.fault_count:,}", rows=f"{report.rows:,}")]
    kinds = [
        say("dataset.kind", language, count=count, reason=word_kind(report.faults, code, language))
        for code, count in report.kinds.items()
    ]
    told = html.escape("\n".join([*lines, *kinds, "", *fault_lines(report.faults, language)]))
    name = html.escape(say("dataset.download_faulty", language))
    return f'<div class="notice bad" role="alert">{told}\n<a href="{link}" download>{name}</a></div>'


def word_kind(faults: Sequence[Fault], code: str, language: str) -> str:
    """A kind of fault, in the words of its first example."""
    example = next((fault for fault in faults if fault.code == code), None)
    return word_fault(code, example.values, language) if example else code


def fault_lines(faults: Sequence[Fault], language: str) -> list[str]:
    return [fault_line(fault, language) for fault in faults[:SHOWN_FAULTS]]


def fault_line(fault: Fault, language: str) -> str:
    reason = word_fault(fault.code, fault.values, language)
    return say("dataset.fault", language, line=fault.line, field=fault.field, reason=reason)


def _frame(number: int, told: str) -> str:
    return f'<div class="datarow" data-row="{number}"><div class="line">#{number}</div>{told}</div>'


def _raw(raw: object) -> str:
    text = json.dumps(raw, ensure_ascii=False, indent=2, default=str)
    return f'<div class="raw"><code>{html.escape(text)}</code></div>'


def _turn(turn: Turn, language: str, side: str = "") -> str:
    role = say(f"role.{turn.role}", language)
    if side:
        role = f"{role}, {say(f'dataset.{side}', language)}"
    return (
        f'<div class="turn {turn.role} {side}"><div class="role">{html.escape(role)}</div>'
        f'<div class="said">{html.escape(turn.content)}</div></div>'
    )


def _encoded(row: Mapping[str, Any], max_seq_len: int, language: str) -> str:
    pieces: Sequence[Mapping[str, Any]] = row["pieces"]
    counted = sum(piece["tokens"] for piece in pieces if piece["counts"])
    cut = sum(piece["tokens"] for piece in pieces if piece["cut"])
    told = [say("tokens.summary", language, total=row["total"], counted=counted)]
    if cut:
        told.append(say("tokens.cut_summary", language, cut=cut, limit=max_seq_len))
    parts = dict.fromkeys(piece["part"] for piece in pieces)
    shown = ""
    for part in parts:
        title = "" if part == "row" else f"<b>{html.escape(say(f'tokens.part.{part}', language))}</b> "
        shown += (
            f'<div class="toks">{title}{"".join(_piece(piece) for piece in pieces if piece["part"] == part)}</div>'
        )
    skipped = notice(say("tokens.skipped", language, limit=max_seq_len), "bad") if row["skipped"] else ""
    return f'{shown}<div class="line">{html.escape(" ".join(told))}</div>{skipped}'


def _piece(piece: Mapping[str, Any]) -> str:
    css = " ".join(kind for kind in ("counts", "cut", "special") if piece[kind])
    text = html.escape(piece["text"]).replace("\n", "↵<br>")
    return f'<span class="tok {css}" title="{piece["tokens"]}">{text}</span>'
