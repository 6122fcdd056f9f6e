"""What offers the tour; `tour.js` is the guide."""

import html

import gradio as gr

from studio.texts import say
from studio.ui.words import in_both


def tour_button(language: str) -> str:
    """At the top of the page, for who wants to be shown around again."""
    label = html.escape(say("tour.open", language))
    return (
        f'<button type="button" id="tour-open" data-tour="open" aria-label="{label}" title="{label}">'
        '<span aria-hidden="true">?</span></button>'
    )


def build_invitation() -> None:
    """A card that only newcomers see; the style sheet hides it from all others."""
    card = (
        f'<div class="invitation" role="note">{in_both("tour.offer")}<span class="acts">'
        f'<button type="button" class="primary" data-tour="open">{in_both("tour.open")}</button>'
        f'<button type="button" data-tour="never">{in_both("tour.never")}</button></span></div>'
    )
    gr.HTML(card, elem_classes="plain", elem_id="tour-card")
