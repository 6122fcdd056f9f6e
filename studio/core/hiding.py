"""What is a secret by its name, and how secrets are taken out of what others have said."""

import json
import re
from collections.abc import Iterator
from urllib.parse import quote, unquote, urlsplit

HIDDEN = "…"
# A shorter piece would be found in words.
PIECE = re.compile(r"[!-~]{4,}")
LONG_PIECE = re.compile(r"[\w.~+-]{8,}")
# Settings of a tool, and variables of an environment: `max_new_tokens` is none, `HF_TOKEN` is one.
SECRET_KEY = re.compile(r"api_?key|(access|auth|hub)_?(key|token)|secret|passw|credential", re.IGNORECASE)
SECRET_VARIABLE = re.compile(
    r"token|secret|passw|passphrase|credential|api_?key|(access|private|auth|encryption)_?key|_(key|pat|pwd)$",
    re.IGNORECASE,
)
# Who has a password within an address: `http://user:password@proxy:3128`.
PASSWORD = re.compile(r"\w+:/{2}[^/\s@]*:[^/\s@]+@")


def is_secret_key(name: str) -> bool:
    """Whether a setting of this name, of the engine or another tool, is a secret."""
    return SECRET_KEY.search(name) is not None


def is_secret_variable(name: str, value: str) -> bool:
    """Whether a variable of an environment is a secret, by its name or as an address with a password.

    A proxy's is kept: without it nothing can be reached.
    """
    named = SECRET_VARIABLE.search(name) is not None
    return named or (holds_password(value) and not name.lower().endswith("_proxy"))


def hide(said: str, secret: str) -> str:
    """A text without a secret that it repeats: as it is, as JSON writes it, or as an address does.

    A secret with a line break is repeated as Python or JSON would write it, so each of its pieces is looked for.
    """
    for piece in PIECE.findall(secret):
        for written in dict.fromkeys((piece, json.dumps(piece)[1:-1], quote(piece, safe=""))):
            said = said.replace(written, HIDDEN)
    return said


def hide_address(said: str, address: str) -> str:
    """A text without what of an address is secret: all behind its host, whole and piece by piece."""
    for part in (address, *_secret_parts(address)):
        said = hide(said, part)
    return said


def _secret_parts(address: str) -> Iterator[str]:
    parts = urlsplit(address)
    behind = address.partition(parts.netloc)[2]
    for text in (behind, parts.netloc.rpartition("@")[0], parts.password or ""):
        for written in dict.fromkeys((text, unquote(text))):
            yield written
            yield from LONG_PIECE.findall(written)


def holds_password(text: str) -> bool:
    """Whether an address in a text has a password in it."""
    return PASSWORD.search(text) is not None
