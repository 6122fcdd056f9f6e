"""The Serve tab: what to serve on the left, the servers on the right. `serve.js` fills the list."""

import html
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import gradio as gr

from studio.actions.models import list_adapters, list_models
from studio.actions.serving import free_server_port, preview_server, start_server
from studio.core.options import OptionSpec
from studio.core.serving import BACKENDS, DEFAULT_PORT, SERVER_OPTIONS, ServeRequest
from studio.errors import Problem, RequestRefused
from studio.stores.home import Home
from studio.texts import say, word_problem
from studio.ui.words import Words, notice, problem_list, refusals, tell

if TYPE_CHECKING:
    from studio.ui.page import StudioParts

BACKEND_CHOICES = [(f"serve.backend.{backend}", backend) for backend in BACKENDS]


def build_serve_tab(parts: "StudioParts", words: Words, language: gr.Radio) -> None:
    """Build the tab and wire it."""
    home = parts.home
    with words.on(gr.Tab(say("serve.tab"), id="serve"), label="serve.tab") as tab, gr.Row():
        with gr.Column(scale=5, min_width=300):
            intro = gr.HTML(_intro("en"), elem_classes="plain")
            inputs, options = _build_form(words)
            problems = gr.HTML(elem_classes="plain", elem_id="serve-problems")
            command = words.command("serve.command", "serve-command", say("serve.no_command"))
            start = words.button("serve.start", "serve-start", variant="primary")
            told = gr.HTML(elem_classes="plain", elem_id="serve-told")
        with gr.Column(scale=6, min_width=320):
            servers = gr.HTML(servers_box("en"), elem_classes="plain", elem_id="serve-servers")

    asked = {*inputs.values(), language}
    preview = {
        "fn": lambda values: _preview(home, inputs, values, values[language]),
        "inputs": asked,
        "outputs": [problems, command],
        "show_progress": "hidden",
        "trigger_mode": "always_last",
    }
    texts = [field for field in inputs.values() if isinstance(field, gr.Textbox)]
    others = [field.change for field in inputs.values() if not isinstance(field, gr.Textbox)]
    gr.on([*others, *(t.blur for t in texts), *(t.submit for t in texts), language.change], **preview)
    inputs["backend"].change(_visible, inputs["backend"], [inputs["adapters"], options], show_progress="hidden")
    picks = [inputs["model"], inputs["adapters"]]
    tab.select(
        lambda model, adapters: _choices(home, model, adapters),
        picks,
        picks,
        show_progress="hidden",
    )
    # Skipped where nothing changes: a late answer must not undo what was typed meanwhile.
    tab.select(
        lambda given: _offered_port(home, given),
        inputs["port"],
        inputs["port"],
        show_progress="hidden",
    ).then(**preview)
    start.click(
        lambda values: _start(home, inputs, values, values[language]),
        asked,
        [told, problems, inputs["port"]],
        trigger_mode="once",
    ).then(**preview)
    language.change(_intro, language, intro, show_progress="hidden")
    language.change(servers_box, language, servers, show_progress="hidden")


def servers_box(language: str) -> str:
    """The place of the servers, and what a card of one is made of."""

    def word(key: str) -> str:
        return html.escape(say(f"serve.{key}", language))

    # Words are data: of an element that is shown again in another language only these are sure to change.
    words = {"show": "key", "hide": "key.hide", "use": "use", "log": "log"}
    data = "".join(f' data-say-{name}="{word(key)}"' for name, key in words.items())
    return (
        f'<div class="servers" data-servers data-language="{language}"{data}>'
        '<div class="told" role="status"></div><div class="empty"></div><div class="list"></div>'
        '<template><article class="card"><div class="head"></div>'
        '<details class="use" hidden><summary></summary><div class="in"></div></details>'
        '<details class="output"><summary></summary><pre class="log" tabindex="0"></pre></details>'
        "</article></template></div>"
    )


def _intro(language: str) -> str:
    return f"<p>{html.escape(say('serve.intro', language))}</p>"


def _build_form(words: Words) -> tuple[dict[str, Any], Any]:
    """Every input by its name (the request's fields, FastDeploy's options), and the panel of the latter."""
    inputs: dict[str, Any] = {}

    def keep(name: str, component: Any, **keys: str) -> None:
        inputs[name] = words.on(component, label=f"serve.{name}", **keys)

    keep(
        "model",
        gr.Dropdown(
            [],
            label=say("serve.model"),
            info=say("serve.model.help"),
            allow_custom_value=True,
            elem_id="serve-model",
        ),
        info="serve.model.help",
    )
    backend = gr.Radio(
        [(say(key), value) for key, value in BACKEND_CHOICES],
        value=BACKENDS[0],
        label=say("serve.backend"),
        elem_id="serve-backend",
    )
    inputs["backend"] = words.on(backend, label="serve.backend", choices=BACKEND_CHOICES)
    keep("adapters", gr.Dropdown([], label=say("serve.adapters"), multiselect=True, elem_id="serve-adapters"))
    keep("name", _text("name", ""), info="serve.name.help")
    with gr.Row(elem_classes="fields"):
        keep("host", _text("host", "127.0.0.1"), info="serve.host.help")
        keep("port", _text("port", str(DEFAULT_PORT)), info="serve.port.help")
    options = words.on(gr.Accordion(say("serve.options"), open=True, visible=False), label="serve.options")
    with options, gr.Row(elem_classes="fields"):
        for spec in SERVER_OPTIONS:
            keep(spec.name, _option(spec), info=f"serve.{spec.name}.help")
    return inputs, options


def _text(name: str, value: str) -> gr.Textbox:
    return gr.Textbox(
        value, label=say(f"serve.{name}"), info=say(f"serve.{name}.help"), max_lines=1, elem_id=f"serve-{name}"
    )


def _option(spec: OptionSpec) -> Any:
    """The widget of an option. Numbers are typed as text, so that what is wrong arrives as given."""
    shared: dict[str, Any] = {
        "label": say(f"serve.{spec.name}"),
        "info": say(f"serve.{spec.name}.help"),
        "elem_id": f"serve-{spec.name}",
    }
    if spec.kind == "bool":
        return gr.Checkbox(bool(spec.default), **shared)
    if spec.kind == "choice":
        return gr.Dropdown([(choice or "–", choice) for choice in spec.choices], value=str(spec.default), **shared)
    return gr.Textbox(str(spec.default), max_lines=1, **shared)


def read_serve_request(inputs: Mapping[str, Any], values: Mapping[Any, Any]) -> ServeRequest:
    """What the form asks for."""
    given = {name: values[component] for name, component in inputs.items()}
    return ServeRequest(
        model=(given["model"] or "").strip(),
        name=(given["name"] or "").strip(),
        backend=given["backend"],
        # What is not shown is not asked for.
        adapters=tuple(given["adapters"] or ()) if given["backend"] == "builtin" else (),
        host=(given["host"] or "").strip(),
        port=(given["port"] or "").strip(),
        options={spec.name: given[spec.name] for spec in SERVER_OPTIONS},
    )


def _preview(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    request = read_serve_request(inputs, values)
    # What is copied is not started.
    refused = refusals({"serve-start": "vllm_is_copied" if request.backend == "vllm" else ""}, language)
    try:
        preview = preview_server(home, request)
    except Exception as error:
        return tell(error, language) + refused, say("serve.no_command", language)
    told = refused + _problem_list(preview.problems, language)
    notes = list(preview.notes)
    if request.backend == "vllm":
        notes.append(Problem("backend", "vllm_is_copied"))
    told += notice("\n".join(word_problem(note, language) for note in notes))
    return told, preview.command or say("serve.no_command", language)


def _start(home: Home, inputs: Mapping[str, Any], values: Mapping[Any, Any], language: str) -> Any:
    try:
        view = start_server(home, read_serve_request(inputs, values))
    except RequestRefused as error:
        return "", _problem_list(error.problems, language), gr.skip()
    except Exception as error:
        return tell(error, language), gr.skip(), gr.skip()
    told = notice(say("serve.started", language, name=view.name, address=f"{view.address}/v1"), "good")
    # The next server needs another port; offering it now spares an error at the next Start.
    return told, "", str(free_server_port(home, view.port))


def _problem_list(problems: Any, language: str) -> str:
    """The problems under the names that this tab gives its fields."""
    return problem_list([replace(each, field=say(f"serve.{each.field}", language)) for each in problems], language)


def _visible(backend: str) -> Any:
    return gr.update(visible=backend == "builtin"), gr.update(visible=backend == "fastdeploy")


def _choices(home: Home, model: str | None, adapters: list[str] | None) -> Any:
    """What can be picked; a LoRA run as a model means its base with it."""
    models = [(choice.label, choice.path) for choice in list_models(home)]
    runs = [(choice.label, choice.path) for choice in list_adapters(home)]
    known = {path for _, path in runs}
    kept = [path for path in adapters or [] if path in known]
    # A value is sent only where there is none, or one that is gone: a late answer must not undo a pick.
    picked: dict[str, Any] = {} if model or not models else {"value": models[0][1]}
    chosen: dict[str, Any] = {} if kept == (adapters or []) else {"value": kept}
    return gr.update(choices=[*models, *runs], **picked), gr.update(choices=runs, **chosen)


def _offered_port(home: Home, given: str) -> Any:
    """Another port where the one that stands there is taken; what was typed and is no port stays to be told."""
    if not given.strip().isdecimal() or not 0 < int(given) < 65_536:
        return gr.skip()
    free = free_server_port(home, int(given))
    return gr.skip() if free == int(given) else str(free)
