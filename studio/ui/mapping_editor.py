"""A mapping as text that a person edits: what of a registry entry says how its file is read."""

import json
from collections.abc import Mapping
from typing import Any, cast

import gradio as gr

from studio.actions.datasets import MAPPING_KEYS
from studio.errors import Problem, RequestRefused
from studio.texts import say
from studio.ui.words import Words


def build_mapping_editor(words: Words, name: str, *, visible: bool = True) -> gr.Code:
    """The field for a mapping."""
    return words.on(
        gr.Code(
            "",
            language="json",
            label=say("dataset.mapping"),
            elem_id=name,
            visible=visible,
            interactive=True,
            lines=4,
            max_lines=14,
        ),
        label="dataset.mapping",
    )


def mapping_text(entry: Mapping[str, Any]) -> str:
    return json.dumps({key: entry[key] for key in MAPPING_KEYS if key in entry}, ensure_ascii=False, indent=2)


def read_mapping_text(text: str | None) -> Mapping[str, Any] | None:
    """The mapping, or None where nothing is written. Raises RequestRefused for what is no JSON object."""
    if not (text or "").strip():
        return None
    try:
        value: Any = json.loads(text or "")
    except ValueError as error:
        raise RequestRefused([Problem("mapping", "mapping_not_json", {"reason": str(error)})]) from error
    if not isinstance(value, dict):
        raise RequestRefused([Problem("mapping", "mapping_no_object", {"given": type(value).__name__})])
    return cast("Mapping[str, Any]", value)
