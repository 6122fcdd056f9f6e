"""Every sentence a person reads, in English and Chinese, in one place.

A table maps a key to (English, Chinese); placeholders are `str.format` fields. An error with code `c`
is worded by `error.c`, a problem by `problem.c`.
"""

from studio.texts import data, options, page, problems

LANGUAGES = ("en", "zh")

TEXTS: dict[str, tuple[str, str]] = {**page.TEXTS, **options.TEXTS, **problems.TEXTS, **data.TEXTS}


def say(key: str, language: str = "en", **values: object) -> str:
    """Word `key` in a language, with its values filled in.

    Raises KeyError for a key that has no text: a missing sentence is a defect, not a blank.
    """
    return TEXTS[key][LANGUAGES.index(language)].format(**values)
