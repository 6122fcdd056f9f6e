"""Where the end of a run is told: one address a home, in a file that only its owner reads."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studio.core.reach import Reach
from studio.stores.atomic import write_bytes
from studio.stores.home import Home
from studio.stores.runs import read_json


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address, the shape of its messages, their language, and how far whoever gave it may reach."""

    url: str
    shape: str = "json"
    language: str = "en"
    reach: Reach | None = None


def read_webhook(path: Path) -> Webhook | None:
    """The address of a home; None where there is none, or the file is none."""
    try:
        stored = read_json(path)
        reach = Reach.from_json(stored["reach"]) if stored.get("reach") else None
        return Webhook(str(stored["url"]), str(stored["shape"]), str(stored["language"]), reach)
    except (ValueError, KeyError, TypeError):
        return None


def write_webhook(home: Home, webhook: Webhook | None) -> None:
    """Keep an address, or forget it."""
    if webhook is None:
        home.webhook.unlink(missing_ok=True)
        return
    stored: dict[str, Any] = {"url": webhook.url, "shape": webhook.shape, "language": webhook.language}
    if webhook.reach is not None:
        stored["reach"] = webhook.reach.to_json()
    # At no moment readable for others.
    write_bytes(home.webhook, json.dumps(stored, ensure_ascii=False, indent=2).encode(), 0o600)
