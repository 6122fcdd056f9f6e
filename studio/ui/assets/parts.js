// What Gradio's own parts lack: our language, names and states for screen readers, arrow keys between tabs.
(() => {
  const LOCALES = { en: "en", zh: "zh-CN" };
  const root = document.documentElement;
  let spoken = "";

  const { language } = window.studio;

  // Gradio words its own parts as the browser speaks; its settings page, which is not shown, can change that.
  async function speak() {
    if (root.lang !== language()) root.lang = language();
    if (spoken === language()) return;
    const core = performance.getEntriesByType("resource").find(({ name }) => /\/assets\/core-[^/]+\.js$/.test(name));
    if (!core) return;
    spoken = language();
    const { changeLocale } = await import(core.name);
    changeLocale?.(LOCALES[spoken]);
  }

  function set(element, name, value) {
    if (element.getAttribute(name) !== value) element.setAttribute(name, value);
  }

  // Each as Gradio says it in any language, and as it is to be said.
  function word() {
    const given = document.querySelector("[data-parts]")?.dataset.parts;
    if (!given) return;
    const place = language() === "zh" ? 1 : 0;
    const said = new Map(JSON.parse(given).flatMap((words) => words.map((one) => [one, words[place]])));
    for (const part of document.querySelectorAll(".gradio-container :is([aria-label], [title])")) {
      for (const name of ["aria-label", "title"]) {
        const now = part.getAttribute(name);
        if (said.has(now)) set(part, name, said.get(now));
      }
    }
    for (const remove of document.querySelectorAll(".token-remove:not(.remove-all)")) {
      const of = remove.closest(".token")?.querySelector("span")?.textContent.trim() || "";
      const told = `${said.get("Remove")} ${of}`.trim();
      set(remove, "title", told);
      set(remove, "aria-label", told);
    }
    // Gradio gives a choice its value for a title.
    for (const choice of document.querySelectorAll("label > input[type=checkbox][title]")) {
      set(choice, "title", choice.parentElement.textContent.trim());
    }
  }

  // Only the tab that was shown has followed a change of language.
  function wordTab() {
    const shown = document.querySelector("#page-tabs > .tab-wrapper [role=tab][aria-selected=true]")?.dataset.tabId;
    const button = document.getElementById(`page-word-${shown}`);
    const worded = (window.studioTabs ??= {});
    if (!button || (worded[shown] ?? "en") === language()) return;
    worded[shown] = language();
    button.click();
  }

  function mend() {
    for (const fold of document.querySelectorAll("button.label-wrap")) {
      set(fold, "aria-expanded", String(fold.classList.contains("open")));
    }
    for (const tab of document.querySelectorAll("[role=tab]")) {
      set(tab, "tabindex", tab.getAttribute("aria-selected") === "true" ? "0" : "-1");
      if (tab.getAttribute("aria-controls") === "") tab.removeAttribute("aria-controls");
    }
    word();
    wordTab();
    for (const code of document.querySelectorAll(".cm-scroller")) {
      set(code, "tabindex", "0");
    }
    // A link that holds a button is one stop, not two.
    for (const inner of document.querySelectorAll("a > button")) set(inner, "tabindex", "-1");
    for (const empty of document.querySelectorAll(".empty[aria-label]")) set(empty, "role", "img");
    for (const empty of document.querySelectorAll(".placeholder-content[role=complementary]")) {
      empty.removeAttribute("role");
    }
  }

  function walk(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const list = event.target.closest?.("[role=tab]")?.closest("[role=tablist]");
    if (!list || event.altKey || event.ctrlKey || event.metaKey) return;
    const tabs = [...list.querySelectorAll("[role=tab]")].filter((tab) => tab.offsetParent && !tab.disabled);
    const at = tabs.indexOf(event.target.closest("[role=tab]"));
    const to = { Home: tabs[0], End: tabs.at(-1) }[event.key] || (step && tabs.at((at + step) % tabs.length));
    if (!to) return;
    event.preventDefault();
    to.click();
    to.focus();
  }

  let asked = 0;
  const soon = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      mend();
      speak();
    });
  };
  new MutationObserver(soon).observe(root, {
    childList: true,
    subtree: true,
    attributeFilter: ["lang", "class", "aria-selected", "aria-label"],
  });
  document.addEventListener("keydown", walk);
})();
