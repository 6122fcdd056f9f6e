// Follows the batch that is chosen: asks only while it can be seen, redraws only what has changed.
(() => {
  const POLL_MS = 1000;
  const BUTTONS = { "batch-cancel": "active", "batch-resume": "resumable", "batch-remove": "removable" };
  // Of the box that is there now: the page of its table, the tag of what was drawn, and what can be done with it.
  let state = {};

  const box = () => document.querySelector("[data-batch]");

  function fill(part, html) {
    if (part.filled === html) return;
    const before = part.querySelector(".rows");
    const at = before ? [before.scrollTop, before.scrollLeft] : null;
    part.filled = html;
    part.innerHTML = html;
    const after = part.querySelector(".rows");
    // More answers came to the page that somebody reads: it stays where it was.
    if (after && at && part.page === state.page) [after.scrollTop, after.scrollLeft] = at;
    part.page = state.page;
  }

  async function follow() {
    const place = box();
    if (!place?.offsetParent || place.busy) return;
    if (state.place !== place) {
      // The same batch in another language keeps its page.
      const same = state.place?.dataset.batch === place.dataset.batch;
      state = { place, page: same ? state.page : 1, can: {} };
    }
    const asked = state;
    const page = asked.page;
    place.busy = true;
    try {
      const query = new URLSearchParams({ name: place.dataset.batch, page, language: place.dataset.language });
      const headers = asked.tag && asked.drawn === page ? { "If-None-Match": asked.tag } : {};
      const answer = await fetch(`studio/batch?${query}`, { headers });
      if (answer.status !== 200 || state !== asked || asked.page !== page) return;
      const shown = await answer.json();
      asked.tag = answer.headers.get("ETag");
      asked.drawn = page;
      asked.can = { ...shown, removable: Boolean(place.dataset.batch) && !shown.active };
      fill(place.querySelector("[data-part=card]"), shown.card);
      fill(place.querySelector("[data-part=table]"), shown.table);
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      place.busy = false;
    }
  }

  async function tick() {
    if (document.hidden) return;
    await follow();
    for (const [id, can] of Object.entries(BUTTONS)) {
      const button = document.getElementById(id);
      if (button) button.disabled = !state.can?.[can];
    }
  }

  document.addEventListener("click", (event) => {
    const to = event.target.closest?.("[data-batch] [data-to]");
    if (to) state.page = Number(to.dataset.to);
    // What a click has changed is not waited for.
    setTimeout(tick, 50);
  });
  setInterval(tick, POLL_MS);
})();
