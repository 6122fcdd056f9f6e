"""Have an address told when a run ends."""

from studio.core.notify import SHAPES, is_address, mask_address
from studio.errors import StudioError
from studio.jobs.notify import send
from studio.stores.home import Home
from studio.stores.webhook import Webhook, read_webhook, write_webhook
from studio.texts import say


def set_webhook(home: Home, url: str, shape: str = "json", language: str = "en") -> str:
    """Keep the address that is told; an empty one is forgotten. Returns it masked. Raises StudioError."""
    url = url.strip()
    if not url:
        write_webhook(home, None)
        return ""
    if not is_address(url) or shape not in SHAPES:
        raise StudioError("bad_webhook", "url")
    write_webhook(home, Webhook(url, shape, language, home.reach))
    return mask_address(url)


def known_webhook(home: Home) -> tuple[str, str]:
    """The masked address and its shape; empty where there is none."""
    webhook = read_webhook(home.webhook)
    return (mask_address(webhook.url), webhook.shape) if webhook else ("", SHAPES[0])


def try_webhook(home: Home) -> None:
    """Send a message now. Raises StudioError with what the address says."""
    webhook = read_webhook(home.webhook)
    if webhook is None:
        raise StudioError("no_webhook", "url")
    failed = send(webhook, say("notify.trial", webhook.language), {"event": "trial"})
    if failed:
        raise StudioError("webhook_failed", "url", reason=failed)
