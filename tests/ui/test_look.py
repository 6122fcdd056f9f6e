"""The style sheet, as Gradio takes it apart."""

import re

from studio.ui.look import read_style


def test_no_rule_for_the_dark_is_lost_in_gradio() -> None:
    # Gradio scopes a list of selectors, and writes its own `.dark` before those behind the first once more.
    lists = re.findall(r"^(\.dark [^{]*, [^{]*)\{", read_style(), re.MULTILINE)
    assert [found for found in lists if "--panel" not in found and "gradio-container" not in found] == []
