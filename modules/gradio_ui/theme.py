"""Paper and ink, one vermilion accent: Gradio's variables set from the stylesheet's own."""

from __future__ import annotations

from gradio.themes import Base

SYSTEM = (
    "system-ui",
    "-apple-system",
    "Segoe UI",
    "Roboto",
    "Noto Sans",
    "PingFang SC",
    "Microsoft YaHei",
    "sans-serif",
)
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def easel_theme() -> Base:
    """Values are CSS variables of assets/easel.css: light, dark and a user's own colours live in one place."""
    theme = Base(font=list(SYSTEM), font_mono=list(MONO), radius_size="md", spacing_size="md", text_size="md")
    both = {
        "body_background_fill": "var(--paper)",
        "body_text_color": "var(--ink)",
        "body_text_color_subdued": "var(--ink-soft)",
        "background_fill_primary": "var(--panel)",
        "background_fill_secondary": "var(--paper)",
        "block_background_fill": "transparent",
        "block_border_color": "var(--line)",
        "block_label_background_fill": "transparent",
        "block_label_text_color": "var(--ink-soft)",
        "block_title_text_color": "var(--ink-soft)",
        "block_info_text_color": "var(--ink-soft)",
        "border_color_primary": "var(--line)",
        "border_color_accent": "var(--accent)",
        "color_accent_soft": "var(--hover)",
        "panel_background_fill": "var(--panel)",
        "panel_border_color": "var(--line)",
        "input_background_fill": "var(--field)",
        "input_background_fill_focus": "var(--field)",
        "input_border_color": "var(--line)",
        "input_border_color_focus": "var(--accent)",
        "input_placeholder_color": "var(--ink-faint)",
        "button_primary_background_fill": "var(--accent-fill)",
        "button_primary_background_fill_hover": "var(--accent-fill-hover)",
        "button_primary_text_color": "#ffffff",
        "button_primary_border_color": "transparent",
        "button_secondary_background_fill": "var(--panel)",
        "button_secondary_background_fill_hover": "var(--hover)",
        "button_secondary_text_color": "var(--ink)",
        "button_secondary_border_color": "var(--line)",
        "checkbox_background_color": "var(--field)",
        "checkbox_background_color_selected": "var(--tick)",
        "checkbox_border_color": "var(--line-strong)",
        "slider_color": "var(--ink-soft)",
        "error_background_fill": "var(--panel)",
        "error_text_color": "var(--danger)",
    }
    dark = {f"{name}_dark": value for name, value in both.items()}
    flat = {
        "block_shadow": "none",
        "input_shadow": "none",
        "input_shadow_focus": "none",
        "button_primary_shadow": "none",
        "button_secondary_shadow": "none",
        "block_border_width": "0px",
        "block_padding": "0px",
        "block_label_border_width": "0px",
        "layout_gap": "12px",
        "form_gap_width": "0px",
        "input_border_width": "1px",
        "block_title_text_weight": "500",
        "block_title_text_size": "13px",
        "input_text_size": "14px",
    }
    return theme.set(**both, **dark, **flat)
