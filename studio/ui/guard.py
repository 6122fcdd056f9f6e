"""One guard before everything: every request, of Gradio's routes and ours, passes here or nowhere.

In this order: is it for us (Host), is it of us (Origin, where it changes something), is it logged in, is it of a
kind and size that we take. What a browser may do with the answer is said in its headers.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

# What routes are matched with: a path of our own reading could differ from the router's.
from starlette._utils import get_route_path
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request, cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.actions.access import Access
from studio.core.exposure import (
    FILE_POLICY,
    PERMISSIONS,
    POLICY,
    Exposure,
    is_loopback_origin,
    is_own_origin,
    last_value,
)
from studio.errors import StoreFailed
from studio.texts import say
from studio.ui.login import LOGIN_PATH, LoginPages, page_language, page_query
from studio.ui.uploads import BodyRefused, watch_body

log = logging.getLogger("studio")

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# What a proxy says about a request; anybody can, so that it counts only where there is a proxy.
PROXY_HEADERS = (b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-forwarded-prefix", b"forwarded")
NEVER_TAKEN = (b"x-gradio-server",)
# How long an open stream outlives its session at most.
RECHECK_S = 1.0
POLICY_VIOLATION = 1008


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the address that tries are counted by, the cookie, and the token of a script."""

    address: str
    cookie: str
    bearer: str | None


class Guard:
    """Lets a request through to the application, answers it, or refuses it."""

    def __init__(
        self, app: ASGIApp, access: Access, exposure: Exposure, cookie: str, recheck_s: float = RECHECK_S
    ) -> None:
        self._app = app
        self._access = access
        self._exposure = exposure
        self._pages = LoginPages(access, exposure, cookie)
        self._cookie = cookie
        self._recheck_s = recheck_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        language = page_language(headers)
        caller = self._read_caller(scope, headers)
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._write_headers(scope, MutableHeaders(scope=message))
            await send(message)

        async def refuse(code: str, status: int) -> None:
            await PlainTextResponse(say(f"guard.{code}", language), status)(scope, receive, guarded)

        if not self._is_for_us(headers):
            return await refuse("other_host", 400)
        if not self._is_of_us(scope, headers, caller):
            return await refuse("other_site", 403)
        try:
            is_in = self._lets_in(caller)
            answer = await self._pages.answer(Request(scope, receive), caller.address, caller.cookie, is_in)
        except StoreFailed as error:
            log.error("the files of the password or the logins: %s", error)
            return await refuse("unreadable", 503)
        if answer is not None:
            return await answer(scope, receive, guarded)
        if not is_in:
            return await self._turn_away(scope, headers, language)(scope, receive, guarded)
        await self._touch(caller)
        self._take_proxy_headers(scope, headers)
        try:
            taken = watch_body(get_route_path(scope), headers, receive)
            await self._app(scope, taken, self._ending_with_the_login(guarded, caller))
        except BodyRefused as refused:
            if not started:
                await refuse(refused.code, refused.status)
        except Exception:
            # Starlette's own answer to this has no headers of ours.
            if not started:
                await refuse("failed", 500)
            raise

    async def _touch(self, caller: Caller) -> None:
        """Note that a session is used; a disk that is full is no reason to throw somebody out."""
        if caller.bearer is not None or not self._access.has_password:
            return
        try:
            if self._access.is_to_touch(caller.cookie):
                await run_in_threadpool(self._access.touch, caller.cookie)
        except StoreFailed as error:
            log.warning("the use of a login could not be noted: %s", error)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Gradio has none today; one that comes is not open by accident."""
        headers = Headers(scope=scope)
        caller = self._read_caller(scope, headers)
        try:
            is_in = self._lets_in(caller)
        except StoreFailed:
            is_in = False
        if is_in and self._is_for_us(headers) and self._is_of_us({**scope, "method": "POST"}, headers, caller):
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})

    def _read_caller(self, scope: Scope, headers: Headers) -> Caller:
        address = scope["client"][0] if scope.get("client") else ""
        if self._exposure.behind_proxy:
            address = last_value(headers.getlist("x-forwarded-for")) or address
            if last_value(headers.getlist("x-forwarded-proto")) == "https":
                scope["scheme"] = "https"
        # Of several cookies of one name none is taken: one may have been planted by a neighbour.
        given = "; ".join(headers.getlist("cookie"))
        planted = sum(part.partition("=")[0].strip() == self._cookie for part in given.split(";")) > 1
        cookie = "" if planted else cookie_parser(given).get(self._cookie, "")
        kind, _, token = headers.get("authorization", "").partition(" ")
        return Caller(address, cookie, token.strip() if kind.lower() == "bearer" else None)

    def _is_for_us(self, headers: Headers) -> bool:
        given = headers.getlist("host")
        if self._exposure.behind_proxy:
            given += [host for value in headers.getlist("x-forwarded-host") for host in value.split(",")]
        one_host = len(headers.getlist("host")) == 1
        return one_host and all(self._exposure.is_host(host) for host in given)

    def _is_of_us(self, scope: Scope, headers: Headers, caller: Caller) -> bool:
        """Whether it is our own page that asks, or a script with its token: a form elsewhere cannot carry one."""
        fetched = headers.get("sec-fetch-site", "")
        if fetched == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return False
        if scope["method"] in SAFE_METHODS or (caller.bearer is not None and self._access.has_password):
            return True
        if fetched == "cross-site":
            return False
        origin = headers.get("origin")
        if origin is None:
            # A script's, or a browser's that says otherwise where it comes from.
            return fetched in ("", "same-origin", "none")
        if not self._access.has_password and not self._exposure.is_open:
            return is_loopback_origin(origin)
        hosts = headers.getlist("host")
        if self._exposure.behind_proxy:
            forwarded = last_value(headers.getlist("x-forwarded-host"))
            # A proxy that tells no host leaves only the names that were given to us.
            hosts += [forwarded] if forwarded else list(self._exposure.hosts)
        return is_own_origin(origin, hosts, scope.get("scheme", "http"))

    def _lets_in(self, caller: Caller) -> bool:
        if not self._access.has_password:
            # Beyond this machine nothing is open, also when the password is taken away meanwhile.
            return not self._exposure.is_open
        if caller.bearer is not None:
            return self._access.knows_token(caller.bearer)
        return self._access.knows_session(caller.cookie)

    def _turn_away(self, scope: Scope, headers: Headers, language: str) -> Response:
        is_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
        if is_page and "authorization" not in headers:
            return RedirectResponse(f"{scope.get('root_path', '')}{LOGIN_PATH}{page_query(scope)}", 303)
        told = say("guard.log_in", language)
        return PlainTextResponse(told, 401, {"WWW-Authenticate": "Bearer", "Cache-Control": "no-store"})

    def _take_proxy_headers(self, scope: Scope, headers: Headers) -> None:
        """Gradio believes what these say; it gets them only from a proxy of ours."""
        dropped = NEVER_TAKEN if self._exposure.behind_proxy else (*NEVER_TAKEN, *PROXY_HEADERS)
        scope["headers"] = [(name, value) for name, value in scope["headers"] if name not in dropped]

    def _ending_with_the_login(self, send: Send, caller: Caller) -> Send:
        """A stream ends when its session does: after a logout nothing more is told."""
        if not self._access.has_password:
            return send
        checked, over = time.monotonic(), False

        async def ending(message: Message) -> None:
            nonlocal checked, over
            if over:
                return
            if message["type"] == "http.response.body" and time.monotonic() - checked >= self._recheck_s:
                checked = time.monotonic()
                try:
                    over = not self._lets_in(caller)
                except StoreFailed:
                    over = True
                if over:
                    message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return ending

    def _write_headers(self, scope: Scope, headers: MutableHeaders) -> None:
        policy: dict[str, Any] = {"scripts": "", "frames": self._exposure.frame_origins}
        if not self._exposure.frames:
            headers["X-Frame-Options"] = "SAMEORIGIN"
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        headers["Permissions-Policy"] = PERMISSIONS
        headers["Cross-Origin-Resource-Policy"] = "same-origin"
        if get_route_path(scope).startswith("/gradio_api/file"):
            headers["Content-Security-Policy"] = FILE_POLICY
        elif "content-security-policy" not in headers:
            headers["Content-Security-Policy"] = POLICY.format(**policy)
        kind = headers.get("content-type", "")
        if self._access.has_password and kind.startswith(("text/html", "application/json")):
            headers.setdefault("Cache-Control", "no-store")
