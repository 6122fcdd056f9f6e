// What the scripts of the page share: its words, why a button does nothing, and copying.
window.studio = (() => {
  const COPIED_MS = 1500;
  const words = JSON.parse(document.getElementById("studio-words").textContent);
  // The choice is kept a moment after the page has followed it.
  const language = () =>
    window.studioLanguage || (localStorage.getItem("studio-language") === "zh" ? "zh" : "en");

  function say(key, values = {}) {
    return Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words[language()][key]);
  }

  // As `units.py` says them.
  function duration(seconds) {
    if (seconds === null) return "–";
    if (seconds < 10 && !Number.isInteger(seconds)) return say("unit.s", { count: seconds.toFixed(1) });
    let rest = Math.floor(seconds);
    const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
    const first = units.findIndex(([size]) => rest >= size);
    const told = [];
    for (const [size, name] of units.slice(first, first < 0 ? undefined : first + 2)) {
      const count = Math.floor(rest / size);
      rest -= count * size;
      if (count || !told.length) told.push(say(`unit.${name}`, { count }));
    }
    return told.join(" ");
  }

  // A button that does nothing stays reachable, so that it can say why: beside the mouse, at a touch and at the focus.
  let bubble = null;
  let count = 0;

  function refuse(button, why) {
    if (!button || (button.dataset.why || "") === why) return;
    if (why) {
      button.dataset.why = why;
      button.setAttribute("aria-disabled", "true");
    } else {
      delete button.dataset.why;
      button.removeAttribute("aria-disabled");
      button.removeAttribute("aria-describedby");
    }
    describe(button);
  }

  function describe(button) {
    if (!button.dataset.why) return;
    button.dataset.whyId ||= `page-why-${(count += 1)}`;
    let told = document.getElementById(button.dataset.whyId);
    if (!told) {
      told = Object.assign(document.createElement("span"), { id: button.dataset.whyId, hidden: true });
      document.body.append(told);
    }
    told.textContent = button.dataset.why;
    button.setAttribute("aria-describedby", told.id);
  }

  // What the server says of buttons stands in its answers, and is there as long as they are.
  function obey() {
    if (document.hidden) return;
    for (const { dataset } of document.querySelectorAll("[data-refused]")) {
      refuse(document.getElementById(dataset.refused), dataset.because);
    }
    document.querySelectorAll("button[data-why]:not([aria-describedby])").forEach(describe);
    const known = new Set([...document.querySelectorAll("[data-why-id]")].map(({ dataset }) => dataset.whyId));
    document.querySelectorAll("body > [id^=page-why-]").forEach((told) => known.has(told.id) || told.remove());
  }

  const refused = (event) => event.target.closest?.("button[data-why]");

  function float(text, beside) {
    unfloat();
    const place = beside.getBoundingClientRect();
    bubble = Object.assign(document.createElement("div"), { className: "whisper", textContent: text, ariaHidden: "true" });
    document.body.append(bubble);
    const left = Math.min(Math.max(8, place.left), document.documentElement.clientWidth - bubble.offsetWidth - 8);
    const above = place.top - bubble.offsetHeight - 6;
    Object.assign(bubble.style, { left: `${left}px`, top: `${above > 4 ? above : place.bottom + 6}px` });
  }

  function unfloat() {
    bubble?.remove();
    bubble = null;
  }

  function refuseClick(event) {
    const button = refused(event);
    if (!button) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    float(button.dataset.why, button);
  }

  // A list that opens without an entry says where its entries come from.
  function tellEmpty(event) {
    const field = event.target;
    const list = field.matches?.("input[role=combobox]") && field.closest("[id]:not(input)");
    const told = list && words[language()][`empty.${list.id}`];
    if (!told || field.value) return;
    setTimeout(() => {
      if (document.activeElement !== field || field.value || list.querySelector("[role=option]")) return;
      spoken.textContent = told;
      float(told, field);
    }, 200);
  }

  // Plain HTTP beyond this machine has no clipboard of its own; Gradio's buttons then use this one, too.
  function copyBySelection(text) {
    const before = document.activeElement;
    const field = Object.assign(document.createElement("textarea"), { value: text, className: "copied-from" });
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    before?.focus({ preventScroll: true });
    return done ? Promise.resolve() : Promise.reject(new Error("not allowed"));
  }

  const spoken = Object.assign(document.createElement("div"), { className: "spoken", role: "status" });

  async function copy(text, button) {
    const told = await (navigator.clipboard?.writeText(text) ?? copyBySelection(text)).then(
      () => "copy.copied",
      () => copyBySelection(text).then(() => "copy.copied", () => "copy.failed"),
    );
    spoken.textContent = say(told);
    float(say(told), button);
    setTimeout(() => {
      spoken.textContent = "";
      unfloat();
    }, COPIED_MS);
  }

  function textOf(button) {
    if ("copyLink" in button.dataset) return window.studio.address({ tab: "train", run: button.dataset.copyLink });
    if ("copyFrom" in button.dataset) return button.closest(button.dataset.copyFrom).querySelector("pre").innerText;
    return button.dataset.copy;
  }

  const COPIES = "[data-copy], [data-copy-from], [data-copy-link]";
  window.addEventListener("click", refuseClick, true);
  document.addEventListener("click", (event) => {
    const button = event.target.closest(COPIES);
    if (button) copy(textOf(button), button);
  });
  for (const kind of ["pointerover", "focusin"]) {
    document.addEventListener(kind, (event) => refused(event) && float(refused(event).dataset.why, refused(event)));
  }
  for (const kind of ["pointerout", "focusout"]) document.addEventListener(kind, (event) => refused(event) && unfloat());
  document.addEventListener("focusin", tellEmpty);
  document.addEventListener("focusout", (event) => event.target.matches?.("input[role=combobox]") && unfloat());
  document.addEventListener("keydown", (event) => event.key === "Escape" && unfloat());
  document.addEventListener("scroll", unfloat, true);
  document.body.append(spoken);
  // Until Gradio's page speaks, too, the browser's own language would stand here.
  document.documentElement.lang = language();
  if (!navigator.clipboard) {
    Object.defineProperty(navigator, "clipboard", { value: { writeText: copyBySelection } });
  }
  setInterval(obey, 200);
  return { say, language, duration, refuse, copy };
})();
