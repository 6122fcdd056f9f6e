"""Every sentence a person reads, in English and Chinese, in one place.

A table maps a key to (English, Chinese); placeholders are `str.format` fields. An error with code `c`
is worded by `error.c`, a problem by `problem.c`, what is wrong with a row by `fault.c`. A problem without a text of
its own is an error that is told at its field, and worded as that error.
"""

from collections.abc import Mapping
from typing import Any, cast

from studio.errors import JobFailed, Problem, RequestRefused, StudioError
from studio.texts import (
    batch,
    charts,
    chat,
    commands,
    data,
    evaluation,
    exporting,
    failures,
    guidance,
    history,
    keys,
    options,
    page,
    problems,
    scoring,
    security,
    serving,
    workbench,
)

LANGUAGES = ("en", "zh")

TEXTS: dict[str, tuple[str, str]] = {
    **page.TEXTS,
    **batch.TEXTS,
    **charts.TEXTS,
    **chat.TEXTS,
    **commands.TEXTS,
    **guidance.TEXTS,
    **history.TEXTS,
    **keys.TEXTS,
    **options.TEXTS,
    **problems.TEXTS,
    **scoring.TEXTS,
    **failures.TEXTS,
    **data.TEXTS,
    **workbench.TEXTS,
    **serving.TEXTS,
    **evaluation.TEXTS,
    **exporting.TEXTS,
    **security.TEXTS,
}


def say(key: str, language: str = "en", **values: Any) -> str:
    """Word `key` in a language, with its values filled in.

    Raises KeyError for a key that has no text: a missing sentence is a defect, not a blank.
    """
    return TEXTS[key][LANGUAGES.index(language)].format(**values)


def problem_key(code: str) -> str:
    """The key of what words a problem."""
    key = f"problem.{code}"
    return key if key in TEXTS else f"error.{code}"


def word_problem(problem: Problem, language: str) -> str:
    """What to fix, in words."""
    return say(problem_key(problem.code), language, **_with_reason(problem.values, language))


def has_words(problem: Problem) -> bool:
    """Whether a problem that was kept can be worded: by its code, and with the values that it has."""
    try:
        word_problem(problem, LANGUAGES[0])
    except LookupError:
        return False
    return True


def word_error(error: StudioError, language: str) -> str:
    """What went wrong, in words; a refused request tells all of its problems, a line each."""
    if isinstance(error, RequestRefused):
        return "\n".join(word_problem(problem, language) for problem in error.problems)
    return say(f"error.{error.code}", language, **_with_reason(error.values, language))


def word_check(check: Mapping[str, Any], language: str) -> str:
    """What a check of a merge found, in words; reports of earlier studios told it as it stands."""
    if "code" not in check:
        return str(check.get("detail", ""))
    values = dict(check["values"])
    if "error" in values:
        try:
            return word_error(JobFailed(values["error"], "", **values["values"]), language)
        except LookupError:
            return str(values["error"])
    return say(f"proof.{check['name']}.{check['code']}", language, **values)


def word_fault(code: str, values: Mapping[str, Any], language: str) -> str:
    """What is wrong with a row, in words."""
    return say(f"fault.{code}", language, **values)


def _with_reason(values: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A fault inside of a problem becomes its `reason`, worded in the reader's language."""
    if "fault" not in values:
        return dict(values)
    told = cast("Mapping[str, Any]", values.get("fault_values", {}))
    return {**values, "reason": word_fault(str(values["fault"]), told, language)}
