"""The Gradio page."""

import inspect
import os
from typing import Any

# No call leaves this machine.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")


def _import_gradio() -> None:
    """Import Gradio without the type stubs that it writes again for each of its components, whose wheel has them.

    They take a third of its import, and two studios that start at once would write the same files. Gradio leaves
    out a component that has no file.
    """
    find_file = inspect.getfile

    def find_other_file(found: Any) -> str:
        if type(found).__name__ == "ComponentMeta":
            raise OSError("no stub")
        return find_file(found)

    inspect.getfile = find_other_file
    try:
        import gradio  # noqa: F401
    finally:
        inspect.getfile = find_file


_import_gradio()
