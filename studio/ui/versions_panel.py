"""Below a dataset: examine it, and make cleaned, split or converted versions of it."""

import html
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from studio.actions.chat import resolve_model
from studio.actions.datasets import list_datasets
from studio.actions.tokens import refuse_bad_length
from studio.actions.versions import (
    NewVersion,
    clean_dataset,
    convert_dataset,
    examine_dataset,
    split_dataset,
)
from studio.core.doctor import FINDINGS, LENGTH_FINDINGS, NEAR_LIMIT_ROWS
from studio.core.writing import TARGETS
from studio.stores.home import Home
from studio.texts import say
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

SHOWN_LINES = 10
PERHAPS_MEANT = frozenset({"email", "mobile", "identity"})
USUALLY_DROPPED = ("duplicate", "leak", "short_answer")
FINDING_CHOICES = tuple((f"finding.{code}", code) for code in FINDINGS)


def build_versions_panel(
    parts: "StudioParts",
    words: Words,
    picked: gr.Dropdown,
    model: gr.Dropdown,
    max_seq_len: gr.Textbox,
    language: gr.Radio,
) -> list[Any]:
    """Build the panel; returns the events after which there are more datasets."""
    home = parts.home
    with words.on(gr.Accordion(say("versions.panel"), open=False, elem_id="versions"), label="versions.panel"):
        with gr.Row(elem_classes="fields"):
            against = words.on(
                gr.Dropdown([], label=say("versions.against"), elem_id="versions-against", interactive=True),
                label="versions.against",
            )
            new_name = words.on(
                gr.Textbox("", label=say("versions.new_name"), elem_id="versions-name", max_lines=1),
                label="versions.new_name",
            )
        drop = words.on(
            gr.CheckboxGroup(
                [(say(key), code) for key, code in FINDING_CHOICES],
                value=list(USUALLY_DROPPED),
                label=say("versions.drop"),
                elem_id="versions-drop",
            ),
            label="versions.drop",
            choices=FINDING_CHOICES,
        )
        with gr.Row(elem_classes="actions"):
            examine = _button(words, "examine")
            clean = _button(words, "clean")
        with gr.Row(elem_classes="fields"):
            share = words.on(
                gr.Textbox("0.1", label=say("versions.share"), elem_id="versions-share", max_lines=1),
                label="versions.share",
            )
            seed = words.on(
                gr.Textbox("42", label=say("versions.seed"), elem_id="versions-seed", max_lines=1),
                label="versions.seed",
            )
            target = words.on(
                gr.Dropdown(list(TARGETS), value=TARGETS[0], label=say("versions.to"), elem_id="versions-to"),
                label="versions.to",
            )
        with gr.Row(elem_classes="actions"):
            split = _button(words, "split")
            convert = _button(words, "convert")
        told = gr.HTML(elem_classes="plain", elem_id="versions-told")

    def measure(codes: list[str], folder: str | None, length: str) -> dict[str, Any]:
        """What counts tokens, where rows that are too long are asked for."""
        if not LENGTH_FINDINGS & {*codes}:
            return {}
        encoder = parts.encoders.get(resolve_model(home, folder or "", ())[0])
        return {"encoder": encoder, "max_seq_len": refuse_bad_length(length)}

    def do_examine(
        name: str, held_out: str | None, codes: list[str], folder: str | None, length: str, spoken: str
    ) -> Any:
        found, failed = attempt(
            lambda: examine_dataset(home, name, held_out or None, **measure(codes, folder, length)), spoken
        )
        if failed:
            return failed, gr.skip()
        lines = [say("versions.examined", spoken, rows=found.rows, name=name)]
        for finding in found.findings:
            shown = ", ".join(str(line) for line in finding.lines[:SHOWN_LINES])
            more = " …" if finding.count > SHOWN_LINES else ""
            what = say(f"finding.{finding.code}", spoken)
            lines.append(say("versions.found", spoken, count=finding.count, what=what, lines=shown + more))
        if not found.saw_all_near:
            lines.append(say("versions.near_limit", spoken, rows=f"{NEAR_LIMIT_ROWS:,}"))
        if not found.findings:
            return notice("\n".join([*lines, say("versions.sound", spoken)]), "good"), gr.skip()
        # What was found is what a click on "clean" should mend; what may be meant stays the person's choice.
        kinds = {finding.code for finding in found.findings}
        ticked = [code for code in FINDINGS if code in codes or (code in kinds and code not in PERHAPS_MEANT)]
        return notice("\n".join(lines), "info"), ticked

    def do_clean(
        name: str,
        held_out: str | None,
        wanted: str,
        codes: list[str],
        folder: str | None,
        length: str,
        spoken: str,
    ) -> str:
        new = wanted.strip() or f"{name}-clean"
        return tell_made(
            lambda: [clean_dataset(home, name, new, codes, held_out or None, **measure(codes, folder, length))],
            spoken,
        )

    def do_split(name: str, part: str, number: str, spoken: str) -> str:
        if not number.strip().isdigit():
            return notice(say("problem.not_int", spoken, given=number), "bad")
        try:
            size = float(part)
        except ValueError:
            return notice(say("problem.not_float", spoken, given=part), "bad")
        names = (f"{name}-train", f"{name}-eval")
        return tell_made(lambda: [*split_dataset(home, name, size, int(number), names)], spoken)

    def do_convert(name: str, kind: str, wanted: str, spoken: str) -> str:
        return tell_made(lambda: [convert_dataset(home, name, kind, wanted.strip() or f"{name}-{kind}")], spoken)

    examine.click(do_examine, [picked, against, drop, model, max_seq_len, language], [told, drop])
    # In the browser: an answer of the server may come late, and wipe what a quick click has told meanwhile.
    picked.change(None, None, told, js="() => ''")
    picked.change(lambda kept: _others(home, kept), against, against, show_progress="hidden")
    return [
        clean.click(
            do_clean,
            [picked, against, new_name, drop, model, max_seq_len, language],
            told,
            trigger_mode="once",
        ),
        split.click(do_split, [picked, share, seed, language], told, trigger_mode="once"),
        convert.click(do_convert, [picked, target, new_name, language], told, trigger_mode="once"),
    ]


def _button(words: Words, name: str) -> Any:
    key = f"versions.{name}"
    return words.on(gr.Button(say(key), size="sm", elem_id=f"versions-{name}"), value=key)


def _others(home: Home, kept: str | None) -> Any:
    found, failed = attempt(lambda: list_datasets(home), "en")
    names = ["", *(dataset.name for dataset in found)] if not failed else [""]
    return gr.update(choices=names, value=kept if kept in names else "")


def tell_made(make: Callable[[], list[NewVersion]], language: str) -> str:
    """What was made, with a link to each file; or why not."""
    made, failed = attempt(make, language)
    if failed:
        return failed
    lines: list[str] = []
    for version in made:
        dataset = version.dataset
        link = f'<a href="studio/data?name={quote(dataset.name)}" download>{html.escape(dataset.file)}</a>'
        told = html.escape(say("dataset.added", language, name=dataset.name, rows=dataset.rows))
        lines.append(f"{told} {link}{_left_out(version.left_out, language)}")
    return f'<div class="notice good" role="status">{"<br>".join(lines)}</div>'


def _left_out(counts: Mapping[str, int], language: str) -> str:
    told = [
        html.escape(say("versions.left_out", language, count=count, what=say(f"finding.{code}", language)))
        for code, count in counts.items()
    ]
    return "".join(f"<br>{line}" for line in told)
