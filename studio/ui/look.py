"""How the page looks: a quiet theme, and the style sheet."""

from pathlib import Path

from gradio import themes

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
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_text_color="white",
    )


def read_style() -> str:
    return (ASSETS / "studio.css").read_text(encoding="utf-8")
