// The address follows what is opened, and what an address names is opened.
(() => {
  const NARROW_PX = 900;
  const asked = (name) => new URLSearchParams(location.search).get(name) || "";
  // Who comes for nothing certain goes on in the tab that was left.
  const left = !asked("tab") && !asked("run") && window.studio.keptTab();
  if (left) history.replaceState(history.state, "", address({ tab: left }));
  // The run that somebody has opened; the one that the page picks by itself is in no address.
  let run = asked("run");

  function address(change) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(change)) {
      if (value) query.set(name, value);
      else query.delete(name);
    }
    const search = String(query);
    return `${location.origin}${location.pathname}${search && `?${search}`}`;
  }

  function follow(change) {
    const next = address(change);
    // The tab that the page opens with is no step of anybody's.
    const how = asked("tab") ? "pushState" : "replaceState";
    if (next !== address({})) history[how](history.state, "", next);
  }

  const nameOf = (path) => (path || "").split("/").at(-1);
  // Of several names that were asked for, the server reads the last.
  const press = (id, value) => {
    window.studio.wanted = value;
    document.getElementById(id)?.click();
  };

  function showRun() {
    const card = document.getElementById("train-card");
    if (window.innerWidth < NARROW_PX) card?.scrollIntoView({ block: "start" });
  }

  function openTab(tab) {
    press("page-open-tab", tab);
    visited(tab);
  }

  function openRun(name) {
    run = name;
    openTab("train");
    press("page-open-run", name);
    setTimeout(showRun, 300);
  }

  function visited(tab) {
    window.studio.keepTab(tab);
    follow({ tab, run: tab === "train" ? run : "" });
  }

  // A tab's own event comes after all that the tab asks the server for: another may be open by then.
  function selected(tab) {
    const shown = document.querySelector("#page-tabs > .tab-wrapper [role=tab][aria-selected=true]");
    visited(shown?.dataset.tabId || tab);
  }

  // Called by the page itself, as `selected` is; see `links.py`.
  function picked(path) {
    run = nameOf(path);
    follow({ tab: "train", run });
  }

  // A link of the page itself; one to a tab is named for the tab.
  function goLink(tab, text = window.studio.say(`go.${tab}`), to = "") {
    const link = Object.assign(document.createElement("a"), { className: "go", textContent: text });
    link.href = address({ tab, run: to });
    Object.assign(link.dataset, { go: tab, ...(to && { run: to }) });
    return link;
  }

  // As soon as the page can be worked.
  function begin() {
    const tab = asked("tab") || (run && "train");
    const there = document.querySelector("[role=tab][aria-selected=true]");
    if (!there || !document.getElementById("page-open-tab")) return setTimeout(begin, 50);
    if (tab && tab !== "train") openTab(tab);
    if (run && tab === "train") setTimeout(showRun, 500);
    return null;
  }

  document.addEventListener("click", (event) => {
    const tab = event.target.closest("[role=tab][data-tab-id]");
    if (tab?.closest("[id$=-parts], #page-tabs")?.id === "page-tabs") visited(tab.dataset.tabId);
    const link = event.target.closest("a[data-go]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.dataset.run) openRun(link.dataset.run);
    else openTab(link.dataset.go);
  });
  window.addEventListener("popstate", () => {
    const [tab, name] = [asked("tab") || "train", asked("run")];
    press("page-open-tab", tab);
    if (name && name !== run) press("page-open-run", name);
    if (tab === "train") run = name;
  });
  Object.assign(window.studio, { address, goLink, openTab, openRun, selected, picked });
  begin();
})();
