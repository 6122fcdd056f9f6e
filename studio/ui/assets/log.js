// Logs: of a log of any size the part that is read is here, a little more above and below, and its end while followed.
(() => {
  const POLL_MS = 1000;
  const NEAR_EDGE_PX = 60;
  const KEPT_PARTS = 8;
  const FAR_BEHIND_BYTES = 300000;

  const runOf = (box) => document.querySelector(box.dataset.follow)?.dataset.run || "";
  const part = (box, name) => box.querySelector(`[data-act=${name}]`);

  async function ask(box, route, question) {
    const state = box.state;
    const query = new URLSearchParams({ run: state.run, name: state.name, export: box.dataset.export, ...question });
    const answer = await fetch(`studio/log${route}?${query}`);
    return answer.status === 200 ? answer.json() : null;
  }

  function piece(told) {
    const place = document.createElement("span");
    place.innerHTML = told.html;
    Object.assign(place, { start: told.start, end: told.end });
    return place;
  }

  const parts = (box) => [...box.log.children].filter((child) => child.end !== undefined);

  function setRest(box, told) {
    box.rest.innerHTML = told.rest;
    box.state.total = told.total;
  }

  // From scratch: the end, or what begins at a byte.
  async function open(box, start) {
    const told = await ask(box, "", start === undefined ? {} : { start });
    if (!told) return showNone(box);
    box.log.replaceChildren(piece(told), box.rest);
    setRest(box, told);
    names(box, told.names);
    if (!told.total) return showNone(box);
    box.log.scrollTop = start === undefined ? box.log.scrollHeight : 0;
  }

  function showNone(box) {
    box.log.replaceChildren(box.rest);
    box.rest.textContent = box.dataset.none;
    box.state.total = 0;
  }

  function names(box, known) {
    const select = box.querySelector("select");
    select.hidden = known.length < 2;
    if (String([...select.options].map((option) => option.value)) === String(known)) return;
    select.replaceChildren(...known.map((name) => new Option(name, name, false, name === box.state.name)));
  }

  // What was written since, and the line that is being written.
  async function grow(box) {
    const last = parts(box).at(-1);
    if (!last) return open(box);
    const told = await ask(box, "", { start: last.end });
    if (!told || told.total < last.end || told.total - last.end > FAR_BEHIND_BYTES) return open(box);
    if (told.html) last.after(piece(told));
    setRest(box, told);
    trim(box, true);
    box.log.scrollTop = box.log.scrollHeight;
  }

  function trim(box, above) {
    const kept = parts(box);
    while (kept.length > KEPT_PARTS) {
      const gone = above ? kept.shift() : kept.pop();
      const height = above ? gone.getBoundingClientRect().height : 0;
      gone.remove();
      box.log.scrollTop -= height;
    }
  }

  // Reading on, at either edge of what is here.
  async function read(box) {
    const { log, state } = box;
    const here = parts(box);
    if (state.busy || !here.length) return;
    const up = log.scrollTop < NEAR_EDGE_PX && here[0].start > 0;
    const down = log.scrollTop + log.clientHeight > log.scrollHeight - NEAR_EDGE_PX && here.at(-1).end < state.total;
    if (!up && !down) return;
    state.busy = true;
    try {
      const told = await ask(box, "", up ? { before: here[0].start } : { start: here.at(-1).end });
      if (!told) return;
      const height = log.scrollHeight;
      if (up) {
        log.prepend(piece(told));
        log.scrollTop += log.scrollHeight - height;
        trim(box, false);
      } else if (told.html) {
        here.at(-1).after(piece(told));
        setRest(box, told);
        trim(box, true);
      }
    } catch {
      // The page is going away, or the studio is starting again; scrolling asks once more.
    } finally {
      state.busy = false;
    }
  }

  function setFollow(box, follow) {
    part(box, "follow").checked = follow;
  }

  function say(box, text) {
    box.querySelector(".said").textContent = text;
  }

  async function find(box, back) {
    const text = box.querySelector("input[type=search]").value;
    if (!text) return;
    const last = box.state.found?.text === text ? box.state.found.at : null;
    const from = back ? { before: last ?? Number.MAX_SAFE_INTEGER } : last === null ? {} : { after: last };
    let told = await ask(box, "/find", { text, ...from });
    // Round, as in an editor.
    if (told?.at === null) told = await ask(box, "/find", { text, ...(back ? { before: Number.MAX_SAFE_INTEGER } : {}) });
    box.state.found = { text, at: told?.at ?? null };
    await show(box, told?.at ?? null, box.dataset.nothing);
  }

  async function show(box, at, missing) {
    say(box, at === null ? missing : "");
    if (at === null) return;
    setFollow(box, false);
    await open(box, at);
    mark(box.log);
    // Some lines before, for what led to it.
    await read(box);
    const found = box.log.querySelector(".found");
    if (found) box.log.scrollTop = found.offsetTop - box.log.clientHeight / 3;
  }

  // The first line of what is shown.
  function mark(log) {
    const range = document.createRange();
    const walker = document.createTreeWalker(log, NodeFilter.SHOW_TEXT);
    const marked = document.createElement("span");
    marked.className = "found";
    const nodes = [];
    while (walker.nextNode()) {
      const end = walker.currentNode.data.indexOf("\n");
      nodes.push([walker.currentNode, end < 0 ? walker.currentNode.data.length : end]);
      if (end >= 0) break;
    }
    for (const [node, end] of nodes) {
      range.setStart(node, 0);
      range.setEnd(node, end);
      range.surroundContents(marked.cloneNode());
    }
  }

  function begin(box) {
    box.log = box.querySelector("pre");
    box.rest = document.createElement("span");
    box.state = { run: null, name: "", total: 0, busy: false };
    part(box, "follow").onchange = () => tick(box);
    part(box, "next").onclick = () => find(box, false).catch(() => {});
    part(box, "back").onclick = () => find(box, true).catch(() => {});
    part(box, "error").onclick = async () => {
      const told = await ask(box, "/find", {}).catch(() => null);
      show(box, told?.at ?? null, box.dataset.noError).catch(() => {});
    };
    box.querySelector("input[type=search]").onkeydown = (event) => {
      if (event.key === "Enter") find(box, event.shiftKey).catch(() => {});
    };
    box.querySelector("select").onchange = (event) => {
      Object.assign(box.state, { name: event.target.value, found: null });
      open(box).catch(() => {});
    };
    // Who scrolls up reads, and who comes back to the end follows again.
    const upwards = (event) => event.deltaY < 0 || ["PageUp", "ArrowUp", "Home"].includes(event.key);
    for (const kind of ["wheel", "keydown"]) {
      box.log.addEventListener(kind, (event) => upwards(event) && setFollow(box, false), { passive: true });
    }
    box.log.addEventListener("scroll", () => read(box));
  }

  async function tick(box) {
    if (document.hidden || !box.offsetParent) return;
    if (!box.state) begin(box);
    const { state } = box;
    if (state.busy) return;
    state.busy = true;
    try {
      const run = runOf(box);
      if (run !== state.run) {
        Object.assign(state, { run, name: "", found: null });
        say(box, "");
        setFollow(box, true);
        const query = new URLSearchParams({ run, export: box.dataset.export });
        box.querySelector(".download").href = `studio/log/file?${query}`;
        if (run) await open(box);
        else showNone(box);
      } else if (run && part(box, "follow").checked) {
        await grow(box);
      }
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      state.busy = false;
    }
  }

  setInterval(() => document.querySelectorAll("[data-log]").forEach(tick), POLL_MS);
})();
