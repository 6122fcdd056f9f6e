// The servers: asked only while they can be seen, redrawn only where something has changed.
(() => {
  const POLL_MS = 1000;
  const state = { etag: "", asked: "", busy: false, open: new Set() };

  const box = () => document.querySelector("[data-servers]");
  const cardOf = (inside) => inside.closest("[data-server]");

  function fill(place, html) {
    if (place.filled === html) return;
    place.filled = html;
    place.innerHTML = html;
  }

  // What was unfolded stays so, also in another language.
  function remember(details, key) {
    details.open = state.open.has(key);
    details.addEventListener("toggle", () => {
      state.open[details.open ? "add" : "delete"](key);
      tick();
    });
  }

  function makeCard(place, name) {
    const card = place.querySelector("template").content.firstElementChild.cloneNode(true);
    card.dataset.server = name;
    card.querySelectorAll("details").forEach((details) => remember(details, `${details.className} ${name}`));
    return card;
  }

  function draw(place, told) {
    fill(place.querySelector(".empty"), told.empty);
    const list = place.querySelector(".list");
    const known = new Map([...list.children].map((card) => [card.dataset.server, card]));
    const wanted = told.servers.map((server) => {
      const card = known.get(server.name) || makeCard(place, server.name);
      Object.assign(card.dataset, { state: server.state, health: server.health });
      fill(card.querySelector(".head"), server.head);
      fill(card.querySelector(".use .in"), server.use);
      card.querySelector(".use").hidden = !server.use;
      word(place, card);
      return card;
    });
    known.forEach((card) => wanted.includes(card) || card.remove());
    // What stands in its place already is not touched: moving it would lose where its log was read.
    wanted.forEach((card, index) => {
      if (list.children[index] !== card) list.insertBefore(card, list.children[index] || null);
    });
  }

  function word(place, card) {
    const { sayUse: use, sayLog: log } = place.dataset;
    card.querySelector(".use summary").textContent = use;
    card.querySelector(".output summary").textContent = log;
    card.querySelector("pre.log").setAttribute("aria-label", log);
  }

  async function load(place) {
    const query = new URLSearchParams({ language: place.dataset.language });
    const fresh = !place.begun || state.asked !== String(query);
    const answer = await fetch(`studio/servers?${query}`, { headers: fresh ? {} : { "If-None-Match": state.etag } });
    if (answer.status !== 200) return;
    const told = await answer.json();
    Object.assign(state, { etag: answer.headers.get("ETag"), asked: String(query) });
    if (!place.begun) begin(place);
    draw(place, told);
  }

  async function loadLog(place, card) {
    const name = card.dataset.server;
    const log = card.querySelector("pre.log");
    const query = new URLSearchParams({ name, language: place.dataset.language });
    const headers = log.etag ? { "If-None-Match": log.etag } : {};
    const answer = await fetch(`studio/servers/log?${query}`, { headers });
    if (answer.status !== 200) return;
    const told = await answer.json();
    log.etag = answer.headers.get("ETag");
    // Who scrolled up reads, and is left where they are.
    const atEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 30;
    fill(log, told.html);
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  async function send(place, act, name) {
    const answer = await fetch("studio/servers", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ act, name, language: place.dataset.language }),
    });
    return answer.json();
  }

  async function showKey(place, button) {
    const shown = cardOf(button).querySelector("code.key");
    if (shown.textContent) {
      shown.textContent = "";
      button.textContent = place.dataset.sayShow;
      return;
    }
    const told = await send(place, "key", cardOf(button).dataset.server);
    fill(place.querySelector(".told"), told.told);
    shown.textContent = told.key;
    if (told.key) button.textContent = place.dataset.sayHide;
  }

  async function act(place, button) {
    const name = button.dataset.act;
    if (name === "key") return showKey(place, button);
    window.studio.refuse(button, window.studio.say("why.working"));
    try {
      const told = await send(place, name, cardOf(button).dataset.server);
      fill(place.querySelector(".told"), told.told);
    } finally {
      window.studio.refuse(button, "");
    }
    return tick();
  }

  function begin(place) {
    place.begun = true;
    place.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-act]");
      if (button) act(place, button).catch(() => {});
    });
  }

  async function tick() {
    const place = box();
    if (document.hidden || !place?.offsetParent || state.busy) return;
    state.busy = true;
    try {
      await load(place);
      const open = [...place.querySelectorAll("[data-server]")].filter((card) => card.querySelector(".output").open);
      await Promise.all(open.map((card) => loadLog(place, card)));
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      state.busy = false;
    }
  }

  setInterval(tick, POLL_MS);
  // A tab that was just opened is not to be looked at empty.
  document.addEventListener("click", () => setTimeout(tick, 50));
})();
