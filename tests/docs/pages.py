"""The pages of the documentation, and what is in them: headings, blocks of code, labels, links, commands."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
# In both languages at once, or for those who change the studio.
WITHOUT_TWIN = {"options.md", "troubleshooting.md", "decisions.md"}
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"``.+?``|`[^`]+`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LABEL = re.compile(r"(?<![*\w])\*(?!\*)([^*]+?)\*(?![*\w])|(?<!\*)\*(?!\*)([^*]+?)\*(?!\*)")
COMMAND = "python -m studio"
# At the beginning of a line, behind variables at most.
COMMAND_LINE = re.compile(rf"^(?:\w+=\S+ )*(?:\S*/)?{COMMAND}\b")
# What stands for something else in a command, and something that it may stand for.
PLACES = {
    "N": "1",
    "JSON": "{}",
    "DIR": "folder",
    "KEY=VALUE": "seed=1",
    "A,B": "a,b",
    "TEXT": "text",
}


@dataclass(frozen=True)
class Block:
    """A block of code: its language, what else is said behind that (a file's name, say), and its text."""

    language: str
    names: tuple[str, ...]
    text: str


def english_pages() -> list[Path]:
    return [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]


def chinese_pages() -> list[Path]:
    return [ROOT / "README.zh.md", *sorted((DOCS / "zh").glob("*.md"))]


def twin_of(page: Path) -> Path:
    return ROOT / "README.zh.md" if page.parent == ROOT else DOCS / "zh" / page.name


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    for match in FENCE.finditer(page.read_text(encoding="utf-8")):
        language, *names = match["info"].split() or [""]
        found.append(Block(language, tuple(names), match["text"]))
    return found


def prose(page: Path) -> str:
    """A page without its blocks of code."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def headings(page: Path) -> list[str]:
    return re.findall(r"^#+ .+$", prose(page), re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """What a link can name in a page, made of its headings as GitHub makes it."""
    titles = (heading.lstrip("#").strip().lower() for heading in headings(page))
    return {
        re.sub(r"[^\w\- ]", "", INLINE_CODE.sub(lambda code: code[0].strip("`"), t)).replace(" ", "-")
        for t in titles
    }


def links(page: Path) -> list[str]:
    return LINK.findall(INLINE_CODE.sub("", prose(page)))


def labels(page: Path) -> list[str]:
    """What stands in italics, which is how a page quotes the studio's own words."""
    text = INLINE_CODE.sub("`", prose(page))
    text = re.sub(r"\*\*.+?\*\*", "", text, flags=re.DOTALL)
    return [" ".join((first or second).split()) for first, second in LABEL.findall(text)]


def commands(page: Path) -> list[list[str]]:
    """The arguments of every `python -m studio` in the blocks of a page, optional ones included."""
    lines = [line for block in blocks(page) for line in block.text.splitlines()]
    return [arguments_of(line) for line in lines if COMMAND_LINE.match(line)]


def arguments_of(line: str) -> list[str]:
    """What a line of a shell hands to the studio: without brackets and comments, placeholders filled in."""
    text = line.split(COMMAND, 1)[1].replace("[", "").replace("]", "")
    return [PLACES.get(word, word) for word in shlex.split(text, comments=True)]


def mentioned_commands(page: Path) -> list[list[str]]:
    """The words behind `python -m studio` (or `studio`) where a sentence names a command."""
    found = [code.strip("`").strip() for code in INLINE_CODE.findall(prose(page))]
    return [text.split(COMMAND, 1)[1].split() for text in found if text.startswith(COMMAND)]
