// Follows the batches that are chosen, of each kind one: asks only while it can be seen, redraws what has changed.
(() => {
  const POLL_MS = 1000;
  // Of each kind's box that is there now: what is asked of its table, and the tag of what was drawn.
  const states = {};

  function fill(part, html, view) {
    if (part.filled === html) return;
    const before = part.querySelector(".rows");
    const at = before ? [before.scrollTop, before.scrollLeft] : null;
    part.filled = html;
    part.innerHTML = html;
    const after = part.querySelector(".rows");
    // More answers came to the page that somebody reads: it stays where it was.
    if (after && at && part.view === view) [after.scrollTop, after.scrollLeft] = at;
    part.view = view;
  }

  function stateOf(place) {
    const known = states[place.dataset.kind];
    if (known?.place === place) return known;
    // The same batch in another language stays at its page.
    const same = known?.place.dataset.batch === place.dataset.batch;
    const state = { place, view: same ? known.view : { page: 1 }, step: same ? known.step : null };
    states[place.dataset.kind] = state;
    return state;
  }

  async function follow(place) {
    if (!place.offsetParent || place.busy) return;
    const asked = stateOf(place);
    const { kind, batch, language } = place.dataset;
    const query = String(new URLSearchParams({ name: batch, language, ...asked.view }));
    place.busy = true;
    try {
      const headers = asked.tag && asked.drawn === query ? { "If-None-Match": asked.tag } : {};
      const answer = await fetch(`studio/${kind}?${query}`, { headers });
      const now = String(new URLSearchParams({ name: batch, language, ...asked.view }));
      if (answer.status !== 200 || states[kind] !== asked || now !== query) return;
      const shown = await answer.json();
      asked.tag = answer.headers.get("ETag");
      asked.drawn = query;
      for (const part of ["card", "table"]) fill(place.querySelector(`[data-part=${part}]`), shown[part], query);
      slide(asked);
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      place.busy = false;
    }
  }

  // Of the answers of many checkpoints only those of one are shown.
  function slide(state) {
    const slider = state.place.querySelector("[data-slide]");
    if (!slider) return;
    if (state.step !== null) slider.value = state.step;
    const step = slider.value;
    for (const part of state.place.querySelectorAll("[data-step]")) part.hidden = part.dataset.step !== step;
    const shown = state.place.querySelector(`[data-tick="${step}"]`);
    slider.setAttribute("aria-valuetext", shown?.textContent ?? step);
    for (const tick of state.place.querySelectorAll("[data-tick]")) tick.classList.toggle("on", tick === shown);
  }

  async function tick() {
    if (document.hidden) return;
    const places = [...document.querySelectorAll("[data-batch]")];
    await Promise.all(places.map(follow));
  }

  function changed(event, name) {
    const place = event.target.closest?.("[data-batch]");
    return place && event.target.closest(`[${name}]`) ? stateOf(place) : null;
  }

  document.addEventListener("click", (event) => {
    const state = changed(event, "data-to");
    if (state) state.view = { ...state.view, page: event.target.closest("[data-to]").dataset.to };
    const stepped = changed(event, "data-tick");
    if (stepped) {
      stepped.step = event.target.closest("[data-tick]").dataset.tick;
      slide(stepped);
    }
    // What a click has changed is not waited for.
    setTimeout(tick, 50);
  });
  // Which rows of a table come first, and by what.
  document.addEventListener("change", (event) => {
    const state = changed(event, "data-view");
    if (!state) return;
    state.view = { ...state.view, page: 1, [event.target.dataset.view]: event.target.value };
    tick();
  });
  document.addEventListener("input", (event) => {
    const state = changed(event, "data-slide");
    if (!state) return;
    state.step = event.target.value;
    slide(state);
  });
  setInterval(tick, POLL_MS);
})();
