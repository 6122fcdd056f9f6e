"""One jail for every path that somebody names: typed into the page, or written in a registry or an adapter."""

import os
from pathlib import Path

from studio.errors import StudioError
from studio.stores.home import ACCESS_FOLDER, Home

# Where hubs keep what they have downloaded; every other hidden folder is full of other programs' keys.
SHOWN_HIDDEN = (".cache",)
LONGEST_NAME = 255
LONGEST_PATH = 4095


def allowed_path(home: Home, given: str | Path, field: str = "file") -> Path:
    """A path as it was given, made absolute. Raises StudioError for what is none, or may not be reached.

    On the page it must lie, links followed, within the home's `roots` and in no hidden folder of theirs; logins and
    the webhook's address are outside, too. The command line has no roots: its user reads what it can read.
    """
    text = str(given)
    try:
        path = _checked(text)
        real = path.resolve()
    except (ValueError, RuntimeError, OSError) as error:
        # Half a character or a control character in it would break whatever shows it.
        raise StudioError("bad_path", field, given=ascii(text)[1:-1][:200]) from error
    if home.roots is not None and (_is_secret(home, real) or not any(_holds(root, real) for root in home.roots)):
        raise StudioError("outside_roots", field, given=text, roots=", ".join(map(str, home.roots)))
    return path


def is_allowed(home: Home, given: str | Path) -> bool:
    """Whether `allowed_path` takes it."""
    try:
        allowed_path(home, given)
    except StudioError:
        return False
    return True


def _checked(text: str) -> Path:
    """Raises ValueError, and RuntimeError for the folder of a user that is none."""
    if not text.isprintable() and any(ord(letter) < 32 or ord(letter) == 127 for letter in text):
        raise ValueError(text)
    path = Path(text).expanduser().absolute()
    names = os.fsencode(path).split(b"/")
    if max(map(len, names)) > LONGEST_NAME or sum(map(len, names)) + len(names) > LONGEST_PATH:
        raise ValueError(text)
    # Half a character is kept by Python for bytes that are no text; nothing that shows it can.
    text.encode()
    return path


def _holds(root: Path, real: Path) -> bool:
    if not real.is_relative_to(root):
        return False
    return not any(part.startswith(".") and part not in SHOWN_HIDDEN for part in real.relative_to(root).parts)


def _is_secret(home: Home, real: Path) -> bool:
    return ACCESS_FOLDER in real.parts or real == home.webhook.resolve()
