"""Tell an address that a run has ended. Done by its supervisor, which outlives the studio."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, cast

from studio.core.notify import shape_message
from studio.stores.webhook import Webhook
from studio.texts import say

TRIES = 3
PAUSE_S = 2.0
ANSWER_S = 10.0
# Feishu and DingTalk answer 200 also where they refuse.
REFUSALS = ("errcode", "code", "StatusCode")


def send(webhook: Webhook, text: str, facts: Mapping[str, Any]) -> str:
    """Post a message; returns what went wrong, nothing where it went well. Tries three times."""
    body = json.dumps(shape_message(webhook.shape, text, facts), ensure_ascii=False).encode()
    failed = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        failed = _post(webhook.url, body)
        if not failed:
            return ""
    return failed


def say_end(name: str, state: str, cause: str, language: str) -> str:
    """`my-run: Failed. The disk is full …`"""
    return say("notify.ended", language, name=name, state=say(f"state.{state}", language), cause=cause).strip()


def _post(url: str, body: bytes) -> str:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json; charset=utf-8"})
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:
            told = answer.read(10_000)
    except (urllib.error.URLError, OSError, ValueError) as error:
        return str(getattr(error, "reason", "") or error)
    try:
        answered: object = json.loads(told)
    except ValueError:
        return ""
    refused = isinstance(answered, dict) and any(cast("dict[str, Any]", answered).get(key) for key in REFUSALS)
    return told.decode("utf-8", "replace")[:200] if refused else ""
