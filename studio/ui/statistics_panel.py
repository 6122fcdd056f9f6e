"""Statistics of a dataset with a model's tokenizer: measured with a progress bar, and plotted."""

import html
import threading
from collections.abc import Iterator, Mapping

import gradio as gr

from studio.actions.tokens import follow_measure, read_statistics, refuse_bad_length
from studio.core.statistics import KINDS, DataStatistics, histogram, quantile, suggested_length
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say
from studio.ui.words import Words, attempt, notice, tell

BINS = 32
BARS = 12
PLOT_WIDTH = 480
PLOT_HEIGHT = 90


def build_statistics_panel(
    home: Home, words: Words, picked: gr.Dropdown, model: gr.Dropdown, max_seq_len: gr.Textbox, language: gr.Radio
) -> None:
    """Build the panel and wire it."""
    panel = gr.Accordion(say("statistics.panel"), open=False, elem_id="statistics")
    with words.on(panel, label="statistics.panel"):
        with gr.Row(elem_classes="actions"):
            start = words.on(
                gr.Button(say("statistics.measure"), size="sm", elem_id="statistics-measure"),
                value="statistics.measure",
            )
            cancel = words.on(
                gr.Button(say("statistics.cancel"), size="sm", elem_id="statistics-cancel"),
                value="statistics.cancel",
            )
        told = gr.HTML(elem_classes="plain", elem_id="statistics-told")

    cancelled: dict[str | None, threading.Event] = {}

    def run(name: str | None, folder: str | None, length: str, spoken: str, request: gr.Request) -> Iterator[str]:
        limit, failed = attempt(lambda: refuse_bad_length(length), spoken)
        if failed:
            yield failed
            return
        yield _progress(0, 0, spoken)
        # It has the last word itself: told by another event, that could be overwritten by progress on its way.
        gone = cancelled[request.session_hash] = threading.Event()
        try:
            for news in follow_measure(home, name or "", folder or ""):
                if gone.is_set():
                    yield notice(say("statistics.cancelled", spoken))
                    return
                if isinstance(news, DataStatistics):
                    yield show_statistics(name or "", news, limit, spoken)
                else:
                    yield _progress(*news, spoken)
        except Exception as error:
            yield tell(error, spoken)
        finally:
            cancelled.pop(request.session_hash, None)

    def stop(request: gr.Request) -> None:
        if request.session_hash in cancelled:
            cancelled[request.session_hash].set()

    def known(name: str | None, folder: str | None, length: str, spoken: str) -> str:
        """What was measured before is shown at once; the rest waits for the button."""
        try:
            found = read_statistics(home, name or "", folder or "")
            return show_statistics(name or "", found, refuse_bad_length(length), spoken) if found else ""
        except StudioError:
            return ""

    asked = [picked, model, max_seq_len, language]
    start.click(run, asked, told, trigger_mode="once", show_progress="hidden")
    cancel.click(stop, show_progress="hidden")
    gr.on(
        [picked.change, model.change, max_seq_len.submit, max_seq_len.blur, language.change],
        known,
        asked,
        told,
        show_progress="hidden",
    )


def _progress(done: int, total: int, language: str) -> str:
    said = say("statistics.running", language, done=f"{done:,}", total=f"{total:,}")
    text = said if total else say("statistics.starting", language)
    share = 100 * done / total if total else 0
    return (
        f'<div class="card" role="status"><div class="bar"><i style="width:{share:.1f}%"></i></div>'
        f"{html.escape(text)}</div>"
    )


def show_statistics(name: str, found: DataStatistics, max_seq_len: int, language: str) -> str:
    """Numbers first, then how long prompts, responses and whole rows are."""
    cut = found.truncated(max_seq_len)
    measured = found.lengths["total"].total()
    share = f" ({cut / measured:.1%})" if measured else ""
    facts = {
        say("statistics.rows", language): f"{found.rows:,}",
        say("statistics.faulty", language): f"{found.faulty:,}",
        say("statistics.duplicates", language): f"{found.duplicates:,}",
        say("statistics.truncated", language, limit=max_seq_len): f"{cut:,}{share}",
        say("statistics.suggested", language): f"{suggested_length(found.lengths['total']):,}",
        say("statistics.empty", language): _told(found.empty, language),
    }
    cells = "".join(
        f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(told)}</dd></div>" for name, told in facts.items()
    )
    plots = "".join(
        _plot(kind, found.lengths[kind], max_seq_len if kind == "total" else None, language) for kind in KINDS
    )
    spoken = {say(f"language.{name}", language): count for name, count in found.languages.items()}
    turns = {say("statistics.turns_of", language, count=count): rows for count, rows in sorted(found.turns.items())}
    plots += _bars(say("statistics.languages", language), spoken) + _bars(say("statistics.turns", language), turns)
    note = html.escape(say("statistics.suggested.help", language))
    title = f'<div class="top"><b>{html.escape(name)}</b></div>'
    return f'<div class="card">{title}<dl class="facts wide">{cells}</dl><p class="line">{note}</p>{plots}</div>'


def _told(counts: Mapping[str, int], language: str) -> str:
    told = ", ".join(f"{key} × {count:,}" for key, count in list(counts.items())[:6])
    return told or say("statistics.none", language)


def _bars(title: str, counts: Mapping[str, int]) -> str:
    """How many rows are of each kind, the first BARS kinds."""
    total = sum(counts.values())
    lines = "".join(
        f'<div><dt>{html.escape(kind)}</dt><dd><i style="width:{100 * count / total:.1f}%"></i></dd>'
        f"<dd>{count:,}</dd></div>"
        for kind, count in list(counts.items())[:BARS]
    )
    return (
        f'<figure class="histogram"><figcaption><b>{html.escape(title)}</b></figcaption><dl>{lines}</dl></figure>'
    )


def _plot(kind: str, counts: Mapping[int, int], limit: int | None, language: str) -> str:
    bins = histogram(counts, BINS)
    if not bins:
        return ""
    title = html.escape(say(f"statistics.{kind}", language))
    spread = say("statistics.spread", language, median=quantile(counts, 0.5), longest=f"{max(counts):,}")
    low, high = bins[0][0], bins[-1][1] + 1
    scale = PLOT_WIDTH / (high - low)
    tallest = max(count for _, _, count in bins)
    bars = ""
    for first, last, count in bins:
        height = PLOT_HEIGHT * count / tallest
        about = html.escape(say("statistics.bin", language, first=first, last=last, count=f"{count:,}"))
        bars += (
            f'<rect x="{(first - low) * scale:.1f}" y="{PLOT_HEIGHT - height:.1f}" height="{height:.1f}" '
            f'width="{max(1.0, (last + 1 - first) * scale - 1):.1f}"><title>{about}</title></rect>'
        )
    mark = ""
    if limit is not None and low <= limit < high:
        at = (limit - low) * scale
        mark = f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{PLOT_HEIGHT}"/>'
    return (
        f'<figure class="histogram"><figcaption><b>{title}</b> <span>{html.escape(spread)}</span></figcaption>'
        f'<svg viewBox="0 0 {PLOT_WIDTH} {PLOT_HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{title}">'
        f'{bars}{mark}</svg><div class="ends"><span>{low:,}</span><span>{high - 1:,}</span></div></figure>'
    )
