"""Values as JSON can hold them."""

import math
from typing import Any, cast


def without_nan(value: Any) -> Any:
    """The same with None for every number that is none: Python writes NaN and infinity, JSON knows neither."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case dict():
            return {key: without_nan(one) for key, one in cast("dict[Any, Any]", value).items()}
        case list() | tuple():
            return [without_nan(one) for one in cast("list[Any]", value)]
        case _:
            return value
