"""An evaluation as one HTML file that needs nothing else."""

import html

from studio.core.report import Report, sort_rows
from studio.texts import say
from studio.ui.evaluate_card import Sorting, rows_html, scores_html

STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; padding: 0 1rem; max-width: 72rem; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid #8884; }
.said { white-space: pre-wrap; overflow-wrap: anywhere; }
.line, .rejected { color: #888; font-size: .85em; }
.better { color: #15803d; } .worse, .bad { color: #b91c1c; }
.interval line { stroke: #8886; }
.interval line.on { stroke: #4f46e5; stroke-width: 2; }
.interval circle { fill: #4f46e5; }
@media (prefers-color-scheme: dark) { .better { color: #86efac; } .worse, .bad { color: #fca5a5; } }
"""


def write_evaluation_page(report: Report, language: str) -> str:
    """The scores, and every row, what got worse first."""
    sorting = Sorting.of(report)
    rows = sort_rows(report, sorting.label, sorting.metric, sorting.order)
    title = html.escape(report.name)
    order = html.escape(say(f"evaluate.order.{sorting.order}", language))
    return (
        f'<!doctype html><html lang="{language}"><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style>'
        f"<h1>{title}</h1>{scores_html(report, language)}<h2>{order}</h2>"
        f"{rows_html(report, rows, sorting.metric, language)}</html>"
    )
