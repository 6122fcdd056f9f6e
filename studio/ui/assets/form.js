// The Train form as it was last edited and the tab that was last open stay in this browser: of the form what differs from
// the defaults, and no secrets.
(() => {
  const KEPT = "studio-train-form";
  const FIRST_TAB = "train";
  const WAIT_MS = 300;
  const SECRET = /(^|[\W_])(token|secret|password|passwd|(api|access)_?key)s?["']?\s*:/im;
  const stem = (name) => name.replace(/-\d+$/, "");
  // What was edited before the kept form was there; it stands, whatever was kept.
  const early = {};
  let ready = false;
  let waiting = 0;

  function read() {
    try {
      const found = JSON.parse(localStorage.getItem(KEPT));
      return found instanceof Object ? found : {};
    } catch {
      return {};
    }
  }

  function write(kept) {
    if (Object.keys(kept).length) localStorage.setItem(KEPT, JSON.stringify(kept));
    else localStorage.removeItem(KEPT);
  }

  function differs(name, value, usual) {
    if (name === "name") return stem(value || "") !== stem(usual || "");
    return JSON.stringify(value || "") !== JSON.stringify(usual || "");
  }

  function save(defaults, values) {
    const { tab } = read();
    const found = Object.keys(defaults)
      .map((name, place) => [name, values[place]])
      .filter(([name, value]) => differs(name, value, defaults[name]) && !(name === "extra" && SECRET.test(value)));
    write({ ...Object.fromEntries(found), ...(tab && { tab }) });
  }

  function remember(defaults, values) {
    const kept = { ...defaults, ...read() };
    Object.keys(defaults).forEach((name, place) => {
      const value = values[place];
      if (differs(name, value, defaults[name]) && differs(name, value, kept[name])) early[name] = value;
    });
  }

  // Called by the page itself, see `kept_form.py`: at every change, and once what was kept is in the form. The tab is
  // kept by `links.js`.
  Object.assign(window.studio, {
    keepForm(defaults, values) {
      clearTimeout(waiting);
      if (ready) waiting = setTimeout(() => save(defaults, values), WAIT_MS);
      else remember(defaults, values);
    },
    keptForm: () => localStorage.getItem(KEPT) || "",
    openedForm(defaults, values) {
      const names = Object.keys(defaults);
      ready = true;
      if (Object.keys(early).length) save(defaults, names.map((name, place) => (name in early ? early[name] : values[place])));
      return names.map((name) => ({ __type__: "update", ...(name in early && { value: early[name] }) }));
    },
    keepTab(opened) {
      const { tab, ...form } = read();
      if ((tab || FIRST_TAB) !== opened) write({ ...form, ...(opened !== FIRST_TAB && { tab: opened }) });
    },
    keptTab: () => String(read().tab || ""),
  });
})();
