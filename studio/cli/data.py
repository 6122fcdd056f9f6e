"""`python -m studio datasets …`."""

import argparse
import json
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from studio.actions import chat, datasets, pipelines, rows, tokens, versions
from studio.actions.home import DEMO_MODEL
from studio.cli.output import Answer, end_progress, plain, print_progress, show_progress
from studio.core.statistics import suggested_length
from studio.core.writing import TARGETS
from studio.errors import StudioError
from studio.stores.home import Home
from studio.texts import say, word_fault


def add_dataset_commands(commands: Any, add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add `datasets WHAT` to the commands; `add` makes one command."""
    data = commands.add_parser("datasets", help=say("cli.datasets")).add_subparsers(required=True, metavar="WHAT")
    add(data, "list", _datasets_list)
    adding = add(data, "add", _datasets_add, "file")
    adding.add_argument("--name", required=True)
    for command in (add(data, "inspect", _datasets_inspect, "file"), adding):
        command.add_argument("--mapping", type=_mapping, help=say("cli.mapping"))
    add(data, "edit", _datasets_edit, "name").add_argument("--mapping", type=_mapping, required=True)
    add(data, "rename", _datasets_rename, "name", "new_name")
    add(data, "check", _datasets_check, "name")
    add(data, "faulty", _datasets_faulty, "name")
    examine = add(data, "examine", _datasets_examine, "name")
    clean = add(data, "clean", _datasets_clean, "name")
    clean.add_argument("--drop", default="duplicate,leak,short_answer")
    for command in (examine, clean):
        command.add_argument("--against")
        command.add_argument("--model", default=DEMO_MODEL)
        command.add_argument("--max-seq-len", type=int)
    split = add(data, "split", _datasets_split, "name")
    split.add_argument("--share", type=float, default=0.1)
    split.add_argument("--seed", type=int, default=42)
    convert = add(data, "convert", _datasets_convert, "name")
    convert.add_argument("--to", required=True, choices=TARGETS)
    for command in (clean, convert):
        command.add_argument("--as", dest="new_name", required=True)
    add(data, "remove", _datasets_remove, "name").add_argument("--file", action="store_true")
    for command in (add(data, "tokens", _datasets_tokens, "name"), add(data, "measure", _datasets_measure, "name")):
        command.add_argument("--model", default=DEMO_MODEL)
        command.add_argument("--max-seq-len", type=int, default=512)
        if command.prog.endswith("tokens"):
            command.add_argument("--row", type=int, default=1)
        else:
            command.add_argument("--progress", action="store_true", help=say("cli.progress"))
    preparing = add(data, "prepare", _datasets_prepare, "pipeline")
    preparing.add_argument("--as", dest="new_name", default="")
    preparing.add_argument("--model", default=DEMO_MODEL)
    show = add(data, "show", _datasets_show, "name")
    show.add_argument("--page", type=int, default=1)
    show.add_argument("--size", type=int, default=10)
    show.add_argument("--search", default="")
    show.add_argument("--faulty", action="store_true")


def _mapping(given: str) -> Mapping[str, Any]:
    """A mapping as JSON, or the name of a file that holds it."""
    path = Path(given)
    value: Any = json.loads(path.read_text(encoding="utf-8") if path.is_file() else given)
    if not isinstance(value, dict):
        raise ValueError("a mapping is a JSON object")
    return cast("Mapping[str, Any]", value)


def _datasets_list(home: Home, flags: argparse.Namespace) -> Answer:
    found = datasets.list_datasets(home)
    lines = [f"{d.name}\t{d.format}\t{d.rows if d.rows is not None else '?'}\t{d.file}" for d in found]
    return {"datasets": found, "text": "\n".join(lines)} if not flags.json else {"datasets": found}


def _datasets_add(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(datasets.add_dataset(home, Path(flags.file), flags.name, flags.mapping))


def _datasets_inspect(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(datasets.inspect_file(Path(flags.file), flags.mapping))


def _datasets_edit(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(datasets.edit_dataset(home, flags.name, flags.mapping))


def _datasets_rename(home: Home, flags: argparse.Namespace) -> Answer:
    datasets.rename_dataset(home, flags.name, flags.new_name)
    return {"renamed": flags.name, "name": flags.new_name}


def _datasets_faulty(home: Home, flags: argparse.Namespace) -> Answer:
    found = [
        {**plain(fault), "text": word_fault(fault.code, fault.values, flags.language), "row": raw}
        for fault, raw in rows.iter_faulty(home, flags.name)
    ]
    return {"name": flags.name, "faulty": found}


def _datasets_check(home: Home, flags: argparse.Namespace) -> Answer:
    answer = plain(rows.check_dataset(home, flags.name))
    for fault in answer["faults"]:
        fault["text"] = word_fault(fault["code"], fault["values"], flags.language)
    return answer


def _datasets_show(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(rows.read_page(home, flags.name, flags.page, flags.size, flags.search, flags.faulty))


def _datasets_tokens(home: Home, flags: argparse.Namespace) -> Answer:
    encoders = tokens.Encoders()
    try:
        (row,) = tokens.see_rows(home, encoders, flags.name, [flags.row], flags.model, flags.max_seq_len)
    finally:
        encoders.close()
    return plain(row)


def _datasets_measure(home: Home, flags: argparse.Namespace) -> Answer:
    found = tokens.measure(home, flags.name, flags.model, print_progress if flags.progress else show_progress)
    end_progress()
    total = found.lengths["total"]
    cut = {"truncated": found.truncated(flags.max_seq_len), "suggested": suggested_length(total)}
    return {"name": flags.name, **cut, **found.to_json()}


def _datasets_prepare(home: Home, flags: argparse.Namespace) -> Answer:
    """Without a name for the result, what the first rows become."""
    try:
        text = Path(flags.pipeline).read_text(encoding="utf-8")
    except OSError as error:
        raise StudioError("bad_config", "config", given=flags.pipeline, reason=str(error)) from error
    encoders = tokens.Encoders()
    try:
        if not flags.new_name:
            return {"rows": plain(pipelines.preview_pipeline(home, text, flags.model, encoders))}
        made = pipelines.run_pipeline(home, text, flags.new_name, flags.model, encoders)
        return {"made": plain(made)}
    finally:
        encoders.close()


def _datasets_examine(home: Home, flags: argparse.Namespace) -> Answer:
    with _limit(home, flags) as limit:
        return plain(versions.examine_dataset(home, flags.name, flags.against, *limit))


def _datasets_clean(home: Home, flags: argparse.Namespace) -> Answer:
    drop = [code for code in flags.drop.split(",") if code]
    with _limit(home, flags) as limit:
        return plain(versions.clean_dataset(home, flags.name, flags.new_name, drop, flags.against, *limit))


@contextmanager
def _limit(home: Home, flags: argparse.Namespace) -> Generator[tuple[Any, int | None]]:
    """What counts tokens and how many a row may have, where a limit was given."""
    encoders = tokens.Encoders()
    try:
        given = flags.max_seq_len is not None
        yield (encoders.get(chat.resolve_model(home, flags.model, ())[0]) if given else None, flags.max_seq_len)
    finally:
        encoders.close()


def _datasets_split(home: Home, flags: argparse.Namespace) -> Answer:
    names = (f"{flags.name}-train", f"{flags.name}-eval")
    parts = versions.split_dataset(home, flags.name, flags.share, flags.seed, names)
    return {"parts": [plain(part) for part in parts]}


def _datasets_convert(home: Home, flags: argparse.Namespace) -> Answer:
    return plain(versions.convert_dataset(home, flags.name, flags.to, flags.new_name))


def _datasets_remove(home: Home, flags: argparse.Namespace) -> Answer:
    datasets.remove_dataset(home, flags.name, flags.file)
    return {"removed": flags.name}
