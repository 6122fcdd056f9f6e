"""Lets the page's own inline scripts run, and no other: their hashes go into the policy of their page."""

import base64
import hashlib
import re

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.core.exposure import POLICY, Exposure

INLINE = re.compile(rb"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


class PagePolicy:
    """Stands inside of Gradio's compression, where a page can still be read."""

    def __init__(self, app: ASGIApp, exposure: Exposure) -> None:
        self._app = app
        self._exposure = exposure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting: Message | None = None
        body = b""

        async def hashing(message: Message) -> None:
            nonlocal waiting, body
            if message["type"] == "http.response.start" and _is_page(message):
                waiting = message
            elif waiting is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body"):
                    headers = MutableHeaders(scope=waiting)
                    frames = self._exposure.frame_origins
                    headers["Content-Security-Policy"] = POLICY.format(scripts=script_hashes(body), frames=frames)
                    await send(waiting)
                    await send({"type": "http.response.body", "body": body, "more_body": False})

        await self._app(scope, receive, hashing if scope["type"] == "http" else send)


def script_hashes(page: bytes) -> str:
    """The sources of a policy that let the inline scripts of a page run."""
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in INLINE.findall(page))
    return "".join(f" 'sha256-{one}'" for one in dict.fromkeys(hashes))


def _is_page(start: Message) -> bool:
    return start["status"] == 200 and MutableHeaders(scope=start).get("content-type", "").startswith("text/html")
