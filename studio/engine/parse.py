"""`python -m studio.engine.parse CONFIG`: ask the engine's own parser about a config (JSON), and train nothing.

Ends with status 0 when the engine takes it, and with its traceback when it does not. PaddleFormers 1.2.0.
"""

import json
import sys
from typing import Any


def parse_config(config: dict[str, Any]) -> None:
    """Raises whatever the engine raises."""
    from paddleformers.cli.hparams import get_train_args

    # The hook is ours, and changes nothing that is parsed.
    get_train_args({key: value for key, value in config.items() if key != "custom_register_path"})


if __name__ == "__main__":
    parse_config(json.loads(sys.argv[1]))
