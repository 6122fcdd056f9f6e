"""Where the end of a run is told: one address a home, in a file that only its owner reads."""

from dataclasses import asdict, dataclass
from pathlib import Path

from studio.stores.atomic import write_json
from studio.stores.home import Home
from studio.stores.runs import read_json


@dataclass(frozen=True, slots=True)
class Webhook:
    """An address, the shape of its messages, and their language."""

    url: str
    shape: str = "json"
    language: str = "en"


def read_webhook(path: Path) -> Webhook | None:
    """The address of a home; None where there is none, or the file is none."""
    try:
        stored = read_json(path)
        return Webhook(str(stored["url"]), str(stored["shape"]), str(stored["language"]))
    except (ValueError, KeyError, TypeError):
        return None


def write_webhook(home: Home, webhook: Webhook | None) -> None:
    """Keep an address, or forget it."""
    if webhook is None:
        home.webhook.unlink(missing_ok=True)
        return
    write_json(home.webhook, asdict(webhook))
    home.webhook.chmod(0o600)
