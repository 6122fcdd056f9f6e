"""Hubs that take models: their names, what a repository is called there, and what their refusals mean."""

import re

HUBS = {"aistudio": "AI Studio", "huggingface": "Hugging Face", "modelscope": "ModelScope"}
REPOSITORY = re.compile(r"[\w][\w.\-]{0,95}/[\w][\w.\-]{0,95}")
_UNREACHABLE = re.compile(
    r"ConnectError|ConnectionError|ConnectTimeout|NetworkError|LocalEntryNotFound|MaxRetryError|NameResolution|"
    r"ReadTimeout|RequestTimeoutError",
)
_BAD_TOKEN = re.compile(
    r"AuthenticationError|unauthori[sz]ed|invalid.{0,20}token|token.{0,20}(invalid|无效|expired)", re.I
)
_FORBIDDEN = re.compile(r"PermissionDenied|forbidden|don't have the rights|没有权限", re.I)
_NOT_FOUND = re.compile(r"NotFoundError|NotExistError|not found|不存在", re.I)


def failure_code(status: int | None, text: str) -> str:
    """The code of an error by the HTTP status, or else by what was said."""
    codes = {401: "hub_bad_token", 403: "hub_forbidden", 404: "hub_not_found"}
    if status in codes:
        return codes[status]
    for pattern, code in (
        (_UNREACHABLE, "hub_unreachable"),
        (_BAD_TOKEN, "hub_bad_token"),
        (_FORBIDDEN, "hub_forbidden"),
        (_NOT_FOUND, "hub_not_found"),
    ):
        if pattern.search(text):
            return code
    return "hub_failed"
