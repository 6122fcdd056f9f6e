"""How our routes answer: with a tag, so that asking again costs next to nothing, as a file to keep, or in words."""

import hashlib
import json
import time
from collections.abc import Callable
from threading import Lock
from typing import Any, Literal
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from studio.core.plain_json import without_nan
from studio.errors import NotFound, StoreFailed, StudioError
from studio.texts import LANGUAGES, word_error

Language = Literal["en", "zh"]
SHARED_S = 0.5


class Shared:
    """An answer that many pages ask for at the same time, made for all of them twice a second at most."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self._made: dict[tuple[Any, ...], tuple[float, Any]] = {}
        self._lock = Lock()

    def __call__(self, *asked: Any) -> Any:
        now = time.monotonic()
        with self._lock:
            self._made = {key: made for key, made in self._made.items() if now - made[0] < SHARED_S}
            if asked not in self._made:
                self._made[asked] = now, self._make(*asked)
            return self._made[asked][1]


def tagged(request: Request, value: object) -> Response:
    """A value as JSON; 304 when the browser has it already."""
    # A loss may be no number, which JSON does not know.
    body = json.dumps(without_nan(value), ensure_ascii=False)
    return tagged_body(request, hash_text(body), lambda: body, "application/json")


def tagged_body(request: Request, tag: str, body: Callable[[], str | bytes], media_type: str) -> Response:
    """A body that is made only for a browser that does not have it yet."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(body(), media_type=media_type, headers=headers)


def hash_text(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def tell_failure(request: Request, error: Exception) -> Response:
    """What a route of ours could not do, in words: 404 for what is not there, 500 for the disk, else 422."""
    assert isinstance(error, StudioError)
    language = request.query_params.get("language")
    status = 404 if isinstance(error, NotFound) else 500 if isinstance(error, StoreFailed) else 422
    told = word_error(error, language if language in LANGUAGES else LANGUAGES[0])
    return JSONResponse({"detail": told}, status)


def kept_file(body: str | bytes, media_type: str, name: str) -> Response:
    """A file for the browser to keep under a name."""
    headers = {"Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}"}
    return Response(body, media_type=media_type, headers=headers)
