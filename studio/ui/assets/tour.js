// A short way through the studio: offered once in a browser, and again by the button at the top.
(() => {
  const KEPT = "studio-tour";
  // Where each step leads: a tab, and what is pointed at.
  const STEPS = [
    ["dataset", "#dataset-table"],
    ["train", "#train-start"],
    ["train", "#train-chart"],
    ["chat", "#chat-load"],
    ["evaluate", "#evaluation-start"],
    ["export", "#export-run"],
    ["serve", "#serve-start"],
  ];
  const { say } = window.studio;
  const state = { step: 0, from: null, tab: "train", pointed: null };

  function element(tag, text = "", properties = {}) {
    return Object.assign(document.createElement(tag), { textContent: text }, properties);
  }

  // Not modal: what it points at can be used while it is read.
  const box = element("dialog", "", { id: "tour" });
  box.setAttribute("aria-labelledby", "tour-title");
  const title = element("h2", "", { id: "tour-title" });
  const text = element("p");
  const count = element("span", "", { className: "count" });
  const button = (name, act, primary = false) => {
    const made = element("button", "", { type: "button", className: primary ? "primary" : "", onclick: act });
    made.dataset.word = name;
    return made;
  };
  const back = button("back", () => go(state.step - 1));
  const next = button("next", () => go(state.step + 1), true);
  const end = button("end", () => close());
  const words = element("div");
  words.setAttribute("aria-live", "polite");
  words.append(title, text);
  const acts = element("div", "", { className: "acts" });
  acts.append(count, end, back, next);
  box.append(words, acts);

  function go(step) {
    if (step >= STEPS.length) return close();
    state.step = Math.max(0, step);
    window.studio.openTab(STEPS[state.step][0]);
    draw();
    point();
    return null;
  }

  function draw() {
    const last = state.step === STEPS.length - 1;
    title.textContent = say(`tour.${state.step + 1}`);
    text.textContent = say(`tour.${state.step + 1}.text`);
    count.textContent = say("tour.count", { step: state.step + 1, steps: STEPS.length });
    for (const made of [back, next, end]) made.textContent = say(`tour.${made === next && last ? "done" : made.dataset.word}`);
    back.hidden = !state.step;
    end.hidden = last;
  }

  // A tab that was never opened is drawn first.
  function point(tries = 40) {
    state.pointed?.classList.remove("toured");
    const place = document.querySelector(STEPS[state.step][1]);
    if (!place?.offsetParent) return tries && setTimeout(() => box.open && point(tries - 1), 50);
    state.pointed = place;
    place.classList.add("toured");
    return place.scrollIntoView({ block: "center" });
  }

  function open() {
    localStorage.setItem(KEPT, "seen");
    offer();
    Object.assign(state, { from: document.activeElement, tab: new URLSearchParams(location.search).get("tab") || "train" });
    if (!box.open) box.show();
    go(0);
    next.focus({ preventScroll: true });
  }

  function close() {
    box.close();
    state.pointed?.classList.remove("toured");
    window.studio.openTab(state.tab);
    window.scrollTo({ top: 0 });
    document.getElementById("tour-open")?.focus({ preventScroll: true });
  }

  // Who comes for a certain tab or run has come before, or was sent: nothing is offered there.
  function offer() {
    const asked = new URLSearchParams(location.search);
    const fresh = !localStorage.getItem(KEPT) && !asked.get("tab") && !asked.get("run");
    document.documentElement.classList.toggle("newcomer", fresh);
  }

  document.addEventListener("click", (event) => {
    const act = event.target.closest("[data-tour]")?.dataset.tour;
    if (act === "open") open();
    if (act === "never") {
      localStorage.setItem(KEPT, "seen");
      offer();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (!box.open || !box.contains(document.activeElement)) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") close();
    else if (steps && state.step + steps < STEPS.length) go(state.step + steps);
  });
  new MutationObserver(() => box.open && draw()).observe(document.documentElement, { attributeFilter: ["lang"] });
  document.body.append(box);
  offer();
})();
