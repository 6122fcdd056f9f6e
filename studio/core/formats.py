"""The formats training data comes in: what they are called, and how one is recognised.

An entry is a LLaMA-Factory `dataset_info.json` entry (`formatting`, `columns`, `tags`, `ranking`), so a
user's own registry works when copied in. Beyond its `alpaca` and `sharegpt`, `formatting` may be `messages`,
`erniekit_sft` (`src`, `tgt`), `erniekit_dpo` (`response`, `sort`) or `text`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

Entry = Mapping[str, Any]
RawRow = Mapping[str, Any]

FORMATS = ("alpaca", "sharegpt", "messages", "erniekit_sft", "erniekit_dpo", "preference", "kto", "text")
STAGES_OF: Mapping[str, tuple[str, ...]] = {
    "alpaca": ("SFT", "VL-SFT"),
    "sharegpt": ("SFT", "VL-SFT"),
    "messages": ("SFT", "VL-SFT"),
    "erniekit_sft": ("SFT",),
    "erniekit_dpo": ("DPO",),
    "preference": ("DPO", "VL-DPO"),
    # PaddleFormers 1.2 has no KTO stage.
    "kto": (),
    "text": ("PT", "VL-PT"),
}
# LLaMA-Factory's names for the columns of an entry, and what they are when it does not say.
ALPACA_COLUMNS = {
    "prompt": "instruction",
    "query": "input",
    "response": "output",
    "system": "system",
    "history": "history",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "kto_tag",
}
CHAT_COLUMNS = {
    "messages": "conversations",
    "system": "system",
    "tools": "tools",
    "chosen": "chosen",
    "rejected": "rejected",
    "kto_tag": "kto_tag",
}
SHAREGPT_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "observation_tag": "observation",
    "function_tag": "function_call",
    "system_tag": "system",
}
OPENAI_TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "observation_tag": "tool",
    "function_tag": "function",
    "system_tag": "system",
}
# What is no text, by the role of its column, and the mark that stands for it in a turn.
MEDIA_MARKS: Mapping[str, str] = {"images": "<image>", "videos": "<video>", "audios": "<audio>"}
TEXT_COLUMNS = ("text", "content")
# The role that answers, as against the roles that ask.
ANSWERING = frozenset({"assistant", "function"})


@dataclass(frozen=True, slots=True)
class Detection:
    """A recognised format as a registry entry, and the columns that gave it away."""

    format: str
    evidence: tuple[str, ...]
    entry: Mapping[str, Any]


def entry_mapping(entry: Entry, name: str) -> Mapping[str, str]:
    """The entry's `columns` or `tags`; none when it has no such key."""
    return cast("Mapping[str, str]", entry.get(name) or {})


def entry_format(entry: Entry) -> str:
    """The format of a registry entry, one of FORMATS."""
    formatting = str(entry.get("formatting", "alpaca"))
    columns = entry_mapping(entry, "columns")
    if formatting in ("alpaca", "sharegpt", "messages"):
        if entry.get("ranking"):
            return "preference"
        if "kto_tag" in columns:
            return "kto"
        # LLaMA-Factory registers plain text as alpaca whose only column is the prompt.
        if formatting == "alpaca" and set(columns) == {"prompt"} and columns["prompt"] in TEXT_COLUMNS:
            return "text"
        if formatting == "sharegpt" and entry_mapping(entry, "tags").get("role_tag") == "role":
            return "messages"
    return formatting


def detect_format(rows: Sequence[RawRow]) -> Detection | None:
    """Recognise the format by the columns that at least half of some rows have; None when no format fits.

    A row that lacks a column is faulty; it does not make the file another format.
    """
    counts = Counter(name for row in rows for name in row)
    names = {name for name, count in counts.items() if 2 * count >= len(rows)}
    if not names:
        return None
    fullest = max(rows, key=lambda row: len(names.intersection(row)))
    for recognise in (_detect_erniekit, _detect_chat, _detect_alpaca, _detect_text):
        found = recognise(names, fullest)
        if found:
            return found
    return None


def _detect_erniekit(names: set[str], first: RawRow) -> Detection | None:
    if {"src", "response", "sort"} <= names:
        return Detection("erniekit_dpo", ("src", "response", "sort"), {"formatting": "erniekit_dpo"})
    if {"src", "tgt"} <= names:
        return Detection("erniekit_sft", ("src", "tgt"), {"formatting": "erniekit_sft"})
    return None


def _detect_chat(names: set[str], first: RawRow) -> Detection | None:
    for column in ("messages", "conversations", "conversation", "dialog"):
        turns = first.get(column)
        if column not in names or not isinstance(turns, list) or not turns or not isinstance(turns[0], dict):
            continue
        keys = set(cast("dict[str, Any]", turns[0]))
        if {"role", "content"} <= keys:
            name, tags = "messages", OPENAI_TAGS
        elif {"from", "value"} <= keys:
            name, tags = "sharegpt", SHAREGPT_TAGS
        else:
            continue
        entry: dict[str, Any] = {"formatting": "sharegpt", "columns": {"messages": column}}
        if name == "messages":
            entry["tags"] = dict(tags)
        evidence = [column, *sorted(keys & {"role", "content", "from", "value"})]
        for extra in ("system", "tools", *MEDIA_MARKS):
            if extra in names:
                entry["columns"][extra] = extra
                evidence.append(extra)
        # PaddleFormers calls its pairs chosen_response and rejected_response.
        for chosen, rejected in (("chosen", "rejected"), ("chosen_response", "rejected_response")):
            if {chosen, rejected} <= names:
                entry["ranking"] = True
                entry["columns"] |= {"chosen": chosen, "rejected": rejected}
                return Detection("preference", (*evidence, chosen, rejected), entry)
        tag = next((tag for tag in ("kto_tag", "label") if isinstance(first.get(tag), bool)), None)
        if tag in names:
            entry["columns"]["kto_tag"] = tag
            return Detection("kto", (*evidence, str(tag)), entry)
        return Detection(name, tuple(evidence), entry)
    return None


def _detect_alpaca(names: set[str], first: RawRow) -> Detection | None:
    prompt = next((name for name in ("instruction", "prompt", "question", "query") if name in names), None)
    if prompt is None:
        return None
    columns: dict[str, str] = {} if prompt == "instruction" else {"prompt": prompt}
    evidence = [prompt]
    if "context" in names and "input" not in names and isinstance(first.get("context"), str):
        columns["query"] = "context"
        evidence.append("context")
    if {"chosen", "rejected"} <= names:
        columns |= {"chosen": "chosen", "rejected": "rejected"}
        entry = {"formatting": "alpaca", "ranking": True, "columns": columns}
        return Detection("preference", (*evidence, "chosen", "rejected"), entry)
    answer = next((name for name in ("output", "response", "answer", "completion") if name in names), None)
    if answer is None:
        return None
    if answer != "output":
        columns["response"] = answer
    evidence.append(answer)
    for role, column in (("query", "input"), ("system", "system"), ("history", "history")):
        if column in names and column not in evidence:
            columns[role] = column
            evidence.append(column)
    tag = next((tag for tag in ("kto_tag", "label") if isinstance(first.get(tag), bool)), None)
    if tag in names:
        columns["kto_tag"] = str(tag)
        return Detection("kto", (*evidence, str(tag)), {"formatting": "alpaca", "columns": columns})
    entry = {"formatting": "alpaca", "columns": columns} if columns else {"formatting": "alpaca"}
    return Detection("alpaca", tuple(evidence), entry)


def _detect_text(names: set[str], first: RawRow) -> Detection | None:
    column = next((name for name in TEXT_COLUMNS if name in names), None)
    if column is None and len(names) == 1 and isinstance(first.get(next(iter(names))), str):
        column = next(iter(names))
    if column is None:
        return None
    columns = {"text": column, **{role: role for role in MEDIA_MARKS if role in names}}
    return Detection("text", tuple(columns.values()), {"formatting": "text", "columns": columns})
