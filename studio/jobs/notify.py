"""Tell an address that a run has ended. Done by its supervisor, which outlives the studio."""

import json
import time
from collections.abc import Mapping
from typing import Any, cast

from studio.core.hiding import hide_address
from studio.core.notify import shape_message
from studio.errors import StudioError
from studio.jobs.reach import checked_transport
from studio.stores.webhook import Webhook
from studio.texts import say, word_error

TRIES = 3
PAUSE_S = 2.0
ANSWER_S = 10.0
ANSWER_BYTES = 10_000
REASON_LENGTH = 200
# Feishu and DingTalk answer 200 also where they refuse.
REFUSALS = ("errcode", "code", "StatusCode")


def send(webhook: Webhook, text: str, facts: Mapping[str, Any]) -> str:
    """Post a message; returns what went wrong, nothing where it went well. Tries three times where it may."""
    body = json.dumps(shape_message(webhook.shape, text, facts), ensure_ascii=False).encode()
    failed = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S)
        try:
            # A service may repeat how it was called, and that is a password.
            failed = hide_address(_post(webhook, body), webhook.url)[:REASON_LENGTH]
        except StudioError as error:
            return word_error(error, webhook.language)
        if not failed:
            return ""
    return failed


def say_end(name: str, state: str, cause: str, language: str) -> str:
    """`my-run: Failed. The disk is full …`"""
    return say("notify.ended", language, name=name, state=say(f"state.{state}", language), cause=cause).strip()


def _post(webhook: Webhook, body: bytes) -> str:
    # Imported here: a supervisor that tells nobody does without.
    import httpx2

    trust = httpx2.create_ssl_context()
    # A proxy would look the name up itself.
    transport = checked_transport(webhook.reach, trust) if webhook.reach is not None else None
    headers = {"Content-Type": "application/json; charset=utf-8"}
    try:
        with (
            httpx2.Client(transport=transport, verify=trust, timeout=ANSWER_S) as client,
            client.stream("POST", webhook.url, content=body, headers=headers) as answer,
        ):
            told = next(answer.iter_bytes(ANSWER_BYTES), b"")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    if not answer.is_success:
        return f"{answer.status_code} {answer.reason_phrase}"
    try:
        answered: object = json.loads(told)
    except ValueError:
        return ""
    refused = isinstance(answered, dict) and any(cast("dict[str, Any]", answered).get(key) for key in REFUSALS)
    return told.decode("utf-8", "replace") if refused else ""
