"""A conversation as Gradio's chatbot shows it, and back from its messages to our turns."""

from typing import Any

from studio.core.conversation import Conversation, Said
from studio.core.endpoint import AnswerFacts
from studio.texts import say

Messages = list[dict[str, Any]]
FENCE, FENCE_END = "```\n", "\n```"
LATEX = [
    {"left": "$$", "right": "$$", "display": True},
    {"left": "\\[", "right": "\\]", "display": True},
    {"left": "\\(", "right": "\\)", "display": False},
    {"left": "$", "right": "$", "display": False},
]


def show_turns(conversation: Conversation, language: str) -> Messages:
    """The chatbot's messages: what was thought folded before an answer, its facts folded after it."""
    return [message for turn in conversation.turns for message in _show(turn, language)]


def turn_of(conversation: Conversation, message: int) -> tuple[int, bool]:
    """Which turn a message of the chatbot belongs to, and whether it is what was said, not thought or counted."""
    begin = 0
    for place, turn in enumerate(conversation.turns):
        shown = _show(turn, "en")
        if message < begin + len(shown):
            return place, "metadata" not in shown[message - begin]
        begin += len(shown)
    return len(conversation.turns) - 1, False


def edited_text(turn: Said, content: Any) -> str:
    """What a turn was changed to, without what it is shown in."""
    text = _plain_text(content)
    return text.removeprefix(FENCE).removesuffix(FENCE_END) if turn.role == "tool" else text


def _plain_text(content: Any) -> str:
    """What was typed into a message: Gradio hands it back as lists of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else [content]
    return "".join(part.get("text", "") if isinstance(part, dict) else str(part) for part in parts)


def _show(turn: Said, language: str) -> Messages:
    if turn.role != "assistant":
        # What a tool returned is data; as markdown it would be taken apart.
        content = turn.content if turn.role == "user" else f"{FENCE}{turn.content}{FENCE_END}"
        return [{"role": "user", "content": content}]
    shown: Messages = []
    if turn.reasoning:
        title = say("chat.thinking", language)
        status = "done" if turn.facts or turn.content else "pending"
        shown.append(_folded(title, turn.reasoning, status))
    if turn.content or not turn.reasoning:
        nothing = f"*{say('chat.nothing', language)}*" if turn.facts else ""
        shown.append({"role": "assistant", "content": turn.content or nothing})
    if turn.facts:
        shown.append(_folded(say_facts(turn.facts, language), _details(turn, turn.facts, language), "done"))
    return shown


def _folded(title: str, content: str, status: str) -> dict[str, Any]:
    return {"role": "assistant", "content": content, "metadata": {"title": title, "status": status}}


def say_facts(facts: AnswerFacts, language: str) -> str:
    """Tokens and speed of an answer in a line."""
    parts: list[str] = []
    if facts.completion_tokens is not None:
        parts.append(say("chat.facts.tokens", language, tokens=facts.completion_tokens))
    if facts.tokens_per_s is not None:
        parts.append(say("chat.facts.rate", language, rate=f"{facts.tokens_per_s:.1f}"))
    parts.append(say("chat.facts.seconds", language, seconds=f"{facts.total_s:.1f}"))
    return " · ".join(parts)


def _details(turn: Said, facts: AnswerFacts, language: str) -> str:
    ended = {"stop": "chat.ended.stop", "length": "chat.ended.length"}.get(facts.finish_reason)
    lines = [
        f"**{turn.model}**",
        say("chat.facts.first", language, seconds=f"{facts.first_token_s:.2f}"),
        say(ended, language) if ended else facts.finish_reason,
    ]
    if facts.prompt_tokens is not None:
        lines.insert(1, say("chat.facts.prompt", language, tokens=facts.prompt_tokens))
    return "\n\n".join(lines)
