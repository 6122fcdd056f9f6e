"""Why a button does nothing now: a code that `why.CODE` words, empty where the button works."""


def why_not_stop(picked: bool, active: bool) -> str:
    """Of stopping the run that is picked."""
    return "" if active else "run_over" if picked else "no_run"


def why_not_batch(act: str, picked: bool, active: bool, resumable: bool) -> str:
    """Of what can be done with a batch: to `cancel`, to `resume`, to `remove` it."""
    if not picked:
        return "nothing_picked"
    if act == "cancel":
        return "" if active else "not_running"
    if act == "resume":
        return "" if resumable else "still_asking" if active else "nothing_left"
    return "still_running" if active else ""


def why_not_turn(page: int, pages: int) -> str:
    """Of turning to a page, which is counted from 1."""
    return "first_page" if page < 1 else "last_page" if page > pages else ""
