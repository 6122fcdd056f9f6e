"""What is sent when a run ends, in the shapes that chat services take."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from studio.core.hiding import HIDDEN

# Slack: incoming webhooks. Feishu and DingTalk: robots of a group. json: for programs of one's own.
SHAPES = ("json", "slack", "feishu", "dingtalk")


def is_address(url: str) -> bool:
    """Whether something may be posted there."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        # A port beyond all ports, a bracket that stays open.
        return False
    return usable and not any(c.isspace() for c in url)


def mask_address(url: str) -> str:
    """An address without what makes it a secret: the path of a webhook is its password."""
    parts = urlsplit(url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    return urlunsplit((parts.scheme, host, HIDDEN, "", ""))


def shape_message(shape: str, text: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a message; only `json` has the facts beside the text."""
    match shape:
        case "slack":
            return {"text": text}
        case "feishu":
            return {"msg_type": "text", "content": {"text": text}}
        case "dingtalk":
            return {"msgtype": "text", "text": {"content": text}}
        case _:
            return {"text": text, **facts}
