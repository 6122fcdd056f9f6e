"""Ways to write a path that leads out of a folder."""

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from studio.stores.home import Home


@dataclass(frozen=True)
class Spelling:
    """A name for a path; `reaches` tells whether it would lead to the target if nobody stood in the way."""

    how: str
    text: str
    reaches: bool = False


def spell(home: Home, target: Path, base: Path) -> list[Spelling]:
    """The target as it might be written where relative paths begin in `base`; makes the links that it needs."""
    straight = str(target)
    up = os.path.relpath(target, base)
    reaching = {
        "absolute": straight,
        "dots": up,
        "dots behind a folder": f"x/../{up}" if (base / "x").is_dir() else f"./{up}",
        "dots and a dot": up.replace("../", ".././"),
        "dots and double slashes": up.replace("/", "//"),
        "more dots than folders": "../" * 40 + straight[1:],
        "absolute with dots": f"{target.parent}/../{target.parent.name}/{target.name}",
        "three slashes": f"//{straight}",
        "through the process": f"/proc/self/root{straight}",
        "through the process's folder": f"/proc/self/cwd/{'../' * 40}{straight[1:]}",
        "dots from the home": f"{home.root}/data/../../{os.path.relpath(target, home.root.parent)}",
        "space before and behind": f" {straight} ",
        **_links(base, target),
    }
    other = {
        **_encoded(up),
        **_windows(target),
        **_characters(straight, up),
        **_shell(straight),
        **_special(home),
        "a very long name": "a" * 300,
        "a very long path": "a/" * 3000 + "x",
        "very many dots": "../" * 3000 + straight[1:],
        "nothing": "",
        "a dot": ".",
        "two dots": "..",
        "three dots": "...",
        "the root": "/",
        "two slashes": "//",
        "a loop of links": _loop(base),
    }
    found = [Spelling(how, text, True) for how, text in reaching.items()]
    return found + [Spelling(how, text) for how, text in other.items()]


def _links(base: Path, target: Path) -> dict[str, str]:
    base.mkdir(parents=True, exist_ok=True)
    suffix = "".join(target.suffixes)
    places = {
        "a link": (f"link{suffix}", target),
        "a relative link": (f"near{suffix}", Path(os.path.relpath(target, base))),
        "a link to a link": (f"second{suffix}", base / f"link{suffix}"),
        "a link to a folder": ("folder", target.parent),
        "a link upwards": ("up", Path("../..")),
    }
    for name, to in places.values():
        if not (base / name).is_symlink():
            (base / name).symlink_to(to)
    inside = {how: name for how, (name, _) in places.items()}
    inside["a link to a folder"] = f"folder/{target.name}"
    inside["a link upwards"] = f"up/{os.path.relpath(target, base.parent.parent)}"
    return {how: str(base / name) for how, name in inside.items()}


def _loop(base: Path) -> str:
    if not (base / "loop").is_symlink():
        (base / "loop").symlink_to(base / "loop")
    return str(base / "loop" / "x.jsonl")


def _encoded(up: str) -> dict[str, str]:
    return {
        "percent": quote(up, safe="").replace(".", "%2e"),
        "percent of percent": quote(quote(up, safe="").replace(".", "%2e"), safe=""),
        "percent of slashes alone": up.replace("/", "%2F"),
        "percent of dots alone": up.replace("..", "%2e%2e"),
        "overlong UTF-8 dots": up.replace("..", "%c0%ae%c0%ae"),
        "overlong UTF-8 slashes": up.replace("/", "%c0%af"),
        "percent and a u": up.replace("/", "%u2215"),
        "HTML": up.replace("..", "&#46;&#46;"),
        "backslashes": up.replace("/", "\\"),
        "slashes and backslashes": up.replace("/", "\\/"),
        "escaped slashes": up.replace("/", "\\x2f"),
        "semicolons": up.replace("../", "..;/"),
        "four dots": up.replace("../", "..../").replace("/", "//"),
    }


def _windows(target: Path) -> dict[str, str]:
    return {
        "UNC": f"\\\\127.0.0.1\\share\\{target.name}",
        "UNC with slashes": f"//127.0.0.1/share/{target.name}",
        "UNC of devices": f"\\\\?\\C:\\{target.name}",
        "UNC of devices with slashes": f"//?/C:/{target.name}",
        "a drive": f"C:\\{target.name}",
        "a drive with slashes": f"c:/{target.name}",
        "a device": "NUL",
        "a stream": f"{target.name}::$DATA",
    }


def _characters(straight: str, up: str) -> dict[str, str]:
    return {
        "fullwidth dots": up.replace("..", "．．"),
        "fullwidth slashes": up.replace("/", "／"),
        "a two dot leader": up.replace("..", "‥"),
        "a division slash": up.replace("/", "∕"),
        "a fraction slash": up.replace("/", "⁄"),
        "ideographic stops": up.replace("..", "。。"),
        "zero width inside": up.replace("..", ".\u200b."),
        "a joiner inside": up.replace("..", ".\u2060."),
        "written backwards": f"\u202e{up}",
        "a byte order mark": f"\ufeff{straight}",
        "a combining dot": up.replace("..", ".\u0307."),
        "a soft hyphen": up.replace("..", ".\u00ad."),
        "half a character": f"\ud800{straight}",
        "a byte that is no text": f"{straight}\udcff",
        "a wide space behind": f"{straight}\u3000",
        "NUL behind": f"{straight}\0",
        "NUL before": f"\0{straight}",
        "NUL before an ending": f"{straight}\0.jsonl",
        "NUL inside": up.replace("/", "/\0", 1),
        "a line end before": f"\n{straight[1:]}",
        "a line end inside": up.replace("/", "\n/", 1),
        "a tab inside": straight.replace("/", "/\t", 1),
        "a bell": f"{straight}\a",
        "an escape": f"\x1b[2J{straight}",
        "delete": f"{straight}\x7f",
    }


def _shell(straight: str) -> dict[str, str]:
    return {
        "a file address": f"file://{straight}",
        "a short file address": f"file:{straight}",
        "a web address": f"http://127.0.0.1{straight}",
        "another's home": "~root/.ssh/id_rsa",
        "nobody's home": "~no-such-user-here/x",
        "a variable": "$HOME/.ssh/id_rsa",
        "a variable in braces": "${HOME}/.ssh/id_rsa",
        "a command": f"$(cat {straight})",
        "a command in ticks": f"`cat {straight}`",
        "a pipe": f"|cat {straight}",
        "a flag": f"--config={straight}",
        "a star": "*",
        "any character": "?" * 12,
    }


def _special(home: Home) -> dict[str, str]:
    return {
        "the password's file": str(home.access / "password.json"),
        "the webhook's file": str(home.webhook),
        "a hidden folder": str(home.root / ".ssh" / "key.json"),
        "the process's environment": "/proc/self/environ",
        "an open file of the process": "/proc/self/fd/0",
        "standard input": "/dev/stdin",
        "endless zeros": "/dev/zero",
        "the passwords of the machine": "/etc/passwd",
    }
