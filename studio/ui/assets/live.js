// What follows a run or an export: asks only while it can be seen, redraws only what has changed.
(() => {
  const POLL_MS = 1000;
  const PANELS = [
    { part: "run", route: "studio/run", marker: "#train-current-run [data-run]" },
    { part: "export", route: "studio/export", marker: "#export-current-run [data-run]", arrived: "export-arrived" },
    { part: "proof", route: "studio/proof", marker: "#export-current-proof [data-run]" },
    { part: "package", route: "studio/hand-on/package", marker: "#export-current-model [data-run]" },
    { part: "push", route: "studio/hand-on/push", marker: "#export-current-model [data-run]" },
  ];

  function fill(place, html) {
    if (place.filled === html) return;
    place.filled = html;
    place.innerHTML = html;
  }

  async function follow(panel) {
    const marker = document.querySelector(panel.marker);
    const card = document.querySelector(`[data-live="${panel.part}.card"]`);
    if (!marker || !card || panel.busy || !card.closest(".tabitem")?.offsetParent) return;
    const query = new URLSearchParams({ run: marker.dataset.run, language: marker.dataset.language });
    const fresh = panel.asked !== String(query) || card.filled === undefined;
    panel.asked = String(query);
    panel.busy = true;
    try {
      const headers = panel.etag && !fresh ? { "If-None-Match": panel.etag } : {};
      const answer = await fetch(`${panel.route}?${query}`, { headers });
      if (answer.status !== 200 || panel.asked !== String(query)) return;
      const shown = await answer.json();
      panel.etag = answer.headers.get("ETag");
      fill(card, shown.card);
      // The page is told once of each model that is there now, so that it is offered.
      if (panel.arrived && shown.there && shown.there !== panel.there) document.getElementById(panel.arrived)?.click();
      panel.there = shown.there;
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      panel.busy = false;
    }
  }

  function tick() {
    if (document.hidden) return;
    PANELS.forEach(follow);
  }

  setInterval(tick, POLL_MS);
})();
