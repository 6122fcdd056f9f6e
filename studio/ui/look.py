"""How the page looks: a quiet theme, and the style sheet."""

import json
from pathlib import Path

from gradio import themes

from studio.texts import LANGUAGES, say

ASSETS = Path(__file__).parent / "assets"
FONTS = ["Inter", "system-ui", "-apple-system", "Segoe UI", "Noto Sans CJK SC", "Noto Sans SC", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Noto Sans Mono CJK SC", "monospace"]


def build_theme() -> themes.Base:
    """Gradio's plain theme with the machine's own fonts; nothing is fetched."""
    return themes.Base(
        primary_hue=themes.colors.blue,
        neutral_hue=themes.colors.slate,
        radius_size=themes.sizes.radius_md,
        spacing_size=themes.sizes.spacing_md,
        font=FONTS,
        font_mono=MONO,
    ).set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        # Dark enough to be read on the page itself.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        # Fields stand on the page itself; the style sheet frames what belongs together.
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_padding="0px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="500",
        input_background_fill="white",
        input_background_fill_dark="#111a2e",
        input_border_width="1px",
        input_border_width_dark="1px",
        input_border_color="*neutral_300",
        input_border_color_dark="*neutral_700",
        input_border_color_focus="*primary_500",
        input_border_color_focus_dark="*primary_500",
        button_secondary_background_fill="white",
        button_secondary_background_fill_dark="#111a2e",
        button_secondary_background_fill_hover="*neutral_100",
        button_secondary_background_fill_hover_dark="*neutral_800",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_700",
        button_border_width="1px",
        button_border_width_dark="1px",
        button_cancel_background_fill="white",
        button_cancel_background_fill_dark="#111a2e",
        button_cancel_text_color="#b91c1c",
        button_cancel_text_color_dark="#fca5a5",
        button_large_text_weight="550",
        button_large_text_size="*text_md",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


def read_style() -> str:
    """The style sheet, and the one text that only a style can reach: Gradio words an upload by the browser."""
    worded: list[str] = []
    for language in LANGUAGES:
        text = json.dumps(say("dataset.drop", language), ensure_ascii=False)
        worded.append(f"html:lang({language}) [data-testid=upload-text]::after {{ content: {text}; }}")
    sheets = [
        (ASSETS / f"{name}.css").read_text(encoding="utf-8") for name in ("studio", "batch", "guidance", "legible")
    ]
    return "\n".join([*sheets, *worded])
