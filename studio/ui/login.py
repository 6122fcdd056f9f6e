"""The page that asks for the password, logging out, and the answer that says "I live": all that is open."""

import hashlib
import html
from urllib.parse import parse_qs, urlencode

from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.types import Scope

from studio.actions.access import Access
from studio.core.access import LONGEST_S
from studio.core.exposure import LOGIN_POLICY, Exposure
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import LANGUAGES, say, word_error
from studio.ui.look import ASSETS

LOGIN_PATH = "/studio/login"
LOGOUT_PATH = "/studio/logout"
HEALTH_PATH = "/studio/health"
SESSION_PATH = "/studio/session"
LOGIN_FILES = {f"{LOGIN_PATH}.css": "text/css", f"{LOGIN_PATH}.js": "text/javascript"}
FORM = "application/x-www-form-urlencoded"
MOST_FORM = 16 * 1024
MOST_QUERY = 1024
STATUS = {"wrong_password": 401, "too_many_tries": 429}
# What an address says of the page goes through the login; nothing else does, least of all another place to go to.
LINKED = ("tab", "run")


def cookie_name(home: Home) -> str:
    """A name of the home's own: browsers do not tell the studios of one machine apart by their ports."""
    return f"studio-session-{hashlib.sha256(str(home.root.resolve()).encode()).hexdigest()[:8]}"


def page_language(headers: Headers) -> str:
    """The language of a browser, as far as we speak it."""
    first = headers.get("accept-language", "").partition(",")[0].strip().lower()
    return "zh" if first.startswith("zh") else "en"


def page_query(scope: Scope) -> str:
    """What the address of a request says of the page, with its question mark; empty where it says nothing."""
    given = QueryParams(scope["query_string"][:MOST_QUERY])
    kept = urlencode({name: given[name] for name in LINKED if name in given})
    return f"?{kept}" if kept else ""


class LoginPages:
    """What the guard answers itself, before anybody is logged in."""

    def __init__(self, access: Access, exposure: Exposure, cookie: str) -> None:
        self._access = access
        self._policy = LOGIN_POLICY.format(frames=exposure.frame_origins)
        self._cookie = cookie

    async def answer(self, request: Request, address: str, cookie: str, is_in: bool) -> Response | None:
        """The answer to a request for one of these pages; None for any other."""
        path, method = get_route_path(request.scope), request.method
        reads = method in ("GET", "HEAD")
        if path == HEALTH_PATH and reads:
            return PlainTextResponse("ok")
        if path in LOGIN_FILES and reads:
            headers = {"Cache-Control": "no-cache", "Content-Security-Policy": self._policy}
            return FileResponse(ASSETS / path.rpartition("/")[2], headers=headers, media_type=LOGIN_FILES[path])
        if path == SESSION_PATH and reads and is_in:
            words = {language: say("login.out", language) for language in LANGUAGES}
            return JSONResponse({"password": self._access.has_password, "words": words})
        if path == LOGIN_PATH and reads:
            return self._home(request) if is_in else self._page(request)
        if path == LOGIN_PATH and method == "POST":
            return await self._log_in(request, address, cookie)
        if path == LOGOUT_PATH and method == "POST" and is_in:
            return await self._log_out(request, cookie)
        return None

    async def _log_in(self, request: Request, address: str, cookie: str) -> Response:
        given = await _read_form(request)
        if given is None:
            return PlainTextResponse(say("guard.wrong_type"), 415)
        try:
            token = await run_in_threadpool(self._access.log_in, given.get("password", ""), address, cookie)
        except StudioError as error:
            return self._page(request, error, STATUS.get(error.code, 503))
        answer = self._home(request)
        answer.set_cookie(
            self._cookie,
            token,
            max_age=LONGEST_S,
            path=self._place(request),
            secure=request.scope.get("scheme") == "https",
            httponly=True,
            samesite="lax",
        )
        return answer

    async def _log_out(self, request: Request, cookie: str) -> Response:
        await run_in_threadpool(self._access.log_out, cookie)
        answer = RedirectResponse(f"{request.scope.get('root_path', '')}{LOGIN_PATH}", 303)
        is_https = request.scope.get("scheme") == "https"
        answer.delete_cookie(self._cookie, self._place(request), secure=is_https, httponly=True, samesite="lax")
        return answer

    def _home(self, request: Request) -> Response:
        place = f"{self._place(request)}{page_query(request.scope)}"
        return RedirectResponse(place, 303, {"Cache-Control": "no-store"})

    @staticmethod
    def _place(request: Request) -> str:
        return f"{request.scope.get('root_path', '').rstrip('/')}/"

    def _page(self, request: Request, error: StudioError | None = None, status: int = 200) -> Response:
        headers = {"Cache-Control": "no-store", "Content-Security-Policy": self._policy}
        if error is not None and error.code == "too_many_tries":
            headers["Retry-After"] = str(error.values["seconds"])
        place = self._place(request)
        query = page_query(request.scope)
        return HTMLResponse(_write_page(place, query, page_language(request.headers), error), status, headers)


def _write_page(place: str, query: str, language: str, error: StudioError | None) -> str:
    """In both languages; the style sheet shows the one of the document, which the script takes from the studio."""

    def both(key: str) -> str:
        return "".join(f'<span lang="{one}">{html.escape(say(key, one))}</span>' for one in LANGUAGES)

    told = ""
    if error is not None:
        seconds = html.escape(str(error.values.get("seconds", "")))
        worded = "".join(f'<span lang="{one}">{html.escape(word_error(error, one))}</span>' for one in LANGUAGES)
        told = f'<p class="told" role="alert" id="told" data-seconds="{seconds}">{worded}</p>'
    folder = html.escape(f"{place}studio/", quote=True)
    title = html.escape(say("page.title", language))
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<link rel="stylesheet" href="{folder}login.css"><script src="{folder}login.js" defer></script></head>
<body><main><h1>{both("page.title")}</h1>{told}
<form method="post" action="{folder}login{html.escape(query)}">
<label for="password">{both("login.password")}</label>
<input id="password" name="password" type="password" autocomplete="current-password" required autofocus
 aria-describedby="told help">
<button type="submit">{both("login.in")}</button></form>
<p class="help" id="help">{both("login.forgotten")}</p>
<p class="languages"><button type="button" data-language="en">English</button>
<button type="button" data-language="zh">中文</button></p></main></body></html>
"""


async def _read_form(request: Request) -> dict[str, str] | None:
    """The fields of a small form; None for anything else."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        return None
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_FORM:
            return None
    try:
        fields = parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=8, strict_parsing=False)
    except ValueError:
        return None
    return {name: values[0] for name, values in fields.items()}
