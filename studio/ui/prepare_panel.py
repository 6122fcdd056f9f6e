"""A pipeline as YAML: an example to begin with, ten rows before and after, then the datasets themselves."""

import html
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.models import list_models
from studio.actions.pipelines import Draft, preview_pipeline, run_pipeline
from studio.texts import say
from studio.ui.dataset_rows import show_row
from studio.ui.versions_panel import tell_made
from studio.ui.words import Words, attempt, notice

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

EXAMPLE = """\
sources:
  - {{dataset: {name}, weight: 1}}
seed: 42
steps:
  - length: {{part: total, min: 4, max: 512}}
  - banned: {{phrases: [广告, 加微信]}}
  - synonyms: {{words: {{高血压: [原发性高血压]}}, share: 0.3, add: true}}
  - rewrite: {{forms: ["请问，{{question}}"], share: 0.2, add: true}}
  - template:
      with_context: "根据以下资料回答。\\n资料：{{context}}\\n问题：{{question}}"
      without_context: "{{question}}"
  - doctor: {{drop: [duplicate, short_answer]}}
split:
  parts: {{train: 0.8, validation: 0.1, test: 0.1}}
  by: language
"""


def build_prepare_panel(
    parts: "StudioParts", words: Words, picked: gr.Dropdown, model: gr.Dropdown, language: gr.Radio
) -> list[Any]:
    """Build the panel; returns the events after which there are more datasets."""
    home = parts.home
    with words.on(gr.Accordion(say("prepare.panel"), open=False, elem_id="prepare"), label="prepare.panel"):
        kinds = gr.HTML(_kinds("en"), elem_classes="plain")
        pipeline = words.on(
            gr.Code(
                EXAMPLE.format(name="medical_zh"),
                language="yaml",
                label=say("prepare.yaml"),
                elem_id="prepare-yaml",
                interactive=True,
                lines=8,
                max_lines=22,
            ),
            label="prepare.yaml",
        )
        name = words.on(
            gr.Textbox("", label=say("prepare.new_name"), elem_id="prepare-name", max_lines=1),
            label="prepare.new_name",
        )
        with gr.Row(elem_classes="actions"):
            example, preview, run = (
                words.on(
                    gr.Button(say(f"prepare.{key}"), size="sm", elem_id=f"prepare-{key}"), value=f"prepare.{key}"
                )
                for key in ("example", "preview", "run")
            )
        told = gr.HTML(elem_classes="plain", elem_id="prepare-told")

    def chosen(folder: str | None) -> str:
        # Who clicks before the list has come means what it will begin with.
        return folder or next((choice.path for choice in list_models(home)), "")

    def show(text: str, folder: str | None, spoken: str) -> str:
        drafts, failed = attempt(lambda: preview_pipeline(home, text, chosen(folder), parts.encoders), spoken)
        return failed or "".join(_draft(draft, spoken) for draft in drafts)

    def make(text: str, wanted: str, folder: str | None, spoken: str) -> str:
        return tell_made(lambda: run_pipeline(home, text, wanted.strip(), chosen(folder), parts.encoders), spoken)

    language.change(_kinds, language, kinds, show_progress="hidden")
    example.click(lambda name: EXAMPLE.format(name=name or "NAME"), picked, pipeline, show_progress="hidden")
    preview.click(show, [pipeline, model, language], told)
    return [run.click(make, [pipeline, name, model, language], told, trigger_mode="once")]


def _kinds(language: str) -> str:
    return f'<p class="line">{html.escape(say("prepare.kinds", language))}</p>'


def _draft(draft: Draft, language: str) -> str:
    before = show_row(draft.before, language)
    if draft.left_out:
        what = say("prepare.gone", language, what=say(f"finding.{draft.left_out}", language))
        after = notice(what, "bad")
    elif draft.rows == (draft.before,):
        after = f'<p class="line">{html.escape(say("prepare.same", language))}</p>'
    else:
        title = f'<p class="line">{html.escape(say("prepare.becomes", language))}</p>'
        after = "".join(f"{title}{show_row(row, language)}" for row in draft.rows)
    head = f'<div class="line">{html.escape(draft.source)} #{draft.number + 1}</div>'
    return f'<div class="datarow">{head}{before}{after}</div>'
