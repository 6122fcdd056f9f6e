// The Train form as it was last edited stays in this browser: what differs from the defaults, and no secrets.
(() => {
  const KEPT = "studio-train-form";
  const WAIT_MS = 300;
  const SECRET = /(^|[\W_])(token|secret|password|passwd|(api|access)_?key)s?["']?\s*:/im;
  const stem = (name) => name.replace(/-\d+$/, "");
  let ready = false;
  let waiting = 0;

  function differs(name, value, usual) {
    if (name === "name") return stem(value || "") !== stem(usual);
    if (name === "extra" && SECRET.test(value)) return false;
    return JSON.stringify(value || "") !== JSON.stringify(usual || "");
  }

  function save(defaults, values) {
    const names = Object.keys(defaults);
    const found = names.map((name, place) => [name, values[place]]).filter(([name, value]) => differs(name, value, defaults[name]));
    if (found.length) localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(found)));
    else localStorage.removeItem(KEPT);
  }

  // Called by the page itself, see `train_tab.py`: at every change, and once what was kept is in the form.
  Object.assign(window.studio, {
    keepForm(defaults, values) {
      clearTimeout(waiting);
      if (ready) waiting = setTimeout(() => save(defaults, values), WAIT_MS);
    },
    keptForm: () => localStorage.getItem(KEPT) || "",
    openedForm() {
      ready = true;
    },
  });
})();
