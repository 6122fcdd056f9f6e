// The keyboard: what `shortcuts.py` lists. No key is taken from who types or writes Chinese, nor from the browser.
(() => {
  const KEPT = "studio-single-keys";
  const SEQUENCE_MS = 1500;
  // Inside of these a main button is not what is meant: they have buttons of their own.
  const PARTS = ".gr-accordion:has(.actions), .gr-accordion:has(button.lg)";
  let waiting = 0;

  const button = () => document.getElementById("page-keys");
  const told = () => JSON.parse(button().dataset.keys);
  const isShown = (element) => Boolean(element?.offsetParent);
  const isTyping = (element) =>
    element.isContentEditable || element.matches("textarea, select, input:not([type=checkbox], [type=radio], [type=range])");
  // Single keys can be turned off: speech input and one-handed keyboards press them by accident.
  const isOn = () => localStorage.getItem(KEPT) !== "off";

  function press(id) {
    const pressed = document.getElementById(id);
    if (!isShown(pressed) || pressed.disabled) return false;
    pressed.click();
    return true;
  }

  // The tab of a place, counted from 1, also where it stands in the menu of a narrow page.
  function openTab(place) {
    const tabs = document.querySelectorAll("#page-tabs > .tab-wrapper [role=tab]");
    const hidden = document.querySelectorAll("#page-tabs > .tab-wrapper .overflow-dropdown button");
    const tab = [...tabs, ...hidden][place - 1];
    if (!tab) return;
    tab.click();
    if (isShown(tab)) tab.focus();
  }

  function search() {
    const fields = document.querySelectorAll("input[type=search], #dataset-find input, #dataset-find textarea");
    const field = [...fields].find(isShown);
    field?.focus();
    return Boolean(field);
  }

  // Enter with Ctrl: the main button of what is shown.
  function act(event) {
    if (event.target.closest?.(PARTS)) return false;
    return told().main.some(press);
  }

  function cancel(event) {
    const menu = document.querySelector(".overflow-dropdown:not(.hide)");
    if (isShown(menu)) {
      const more = menu.parentElement.querySelector("button");
      more.click();
      more.focus();
      return true;
    }
    // A list of choices that is open closes itself.
    if (event.target.getAttribute?.("aria-expanded") === "true" && event.target.matches("input")) return false;
    const fold = event.target.closest?.("button.label-wrap.open, details[open] > summary");
    if (fold) {
      fold.click();
      return true;
    }
    return told().stop.some(press);
  }

  function pressed(event) {
    // An input method takes Enter and Esc for itself.
    if (event.isComposing || event.keyCode === 229 || event.defaultPrevented) return;
    if (!button() || document.querySelector("dialog[open]")) return;
    const { key } = event;
    const isPlain = !event.ctrlKey && !event.metaKey && !event.altKey;
    let done = false;
    if (key === "Enter" && (event.ctrlKey || event.metaKey) && !event.altKey) done = act(event);
    else if (key === "Escape" && isPlain) done = cancel(event);
    else if (isPlain && isOn() && !isTyping(event.target)) done = single(key);
    if (done) event.preventDefault();
  }

  function single(key) {
    const isSecond = performance.now() < waiting;
    waiting = 0;
    if (isSecond && /^[1-9]$/.test(key)) openTab(Number(key));
    else if (key === "g") waiting = performance.now() + SEQUENCE_MS;
    else if (key === "/") return search();
    else if (key === "?") open();
    else return false;
    return true;
  }

  function element(name, properties, ...children) {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  }

  function row({ keys, joined, does }) {
    const parts = keys.flatMap((key, place) => [...(place ? [joined] : []), element("kbd", { textContent: key })]);
    return element("tr", {}, element("th", { scope: "row" }, ...parts), element("td", { textContent: does }));
  }

  function open() {
    const { words, rows } = told();
    const single = element("input", { type: "checkbox", checked: isOn() });
    single.onchange = () => localStorage.setItem(KEPT, single.checked ? "on" : "off");
    const close = element("button", { type: "submit", textContent: words.close, autofocus: true });
    const dialog = element(
      "dialog",
      { id: "page-keys-list" },
      element("h2", { id: "page-keys-title", textContent: words.title }),
      element("table", {}, element("tbody", {}, ...rows.map(row))),
      element("label", {}, single, ` ${words.single}`),
      element("form", { method: "dialog" }, close),
    );
    dialog.setAttribute("aria-labelledby", "page-keys-title");
    // The browser gives the focus back to where it was.
    dialog.addEventListener("close", () => dialog.remove());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    document.querySelector(".gradio-container").append(dialog);
    dialog.showModal();
  }

  document.addEventListener("keydown", pressed);
  document.addEventListener("click", (event) => event.target.closest?.("#page-keys") && open());
})();
