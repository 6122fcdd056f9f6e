// Tells the person in this browser when a run ends, on whichever tab or page they are.
(() => {
  const POLL_MS = 5000;
  const KEPT = "studio-notify";
  const OVER = ["finished", "stopped", "failed", "lost"];
  let known = null;
  let tag = "";

  const wanted = () => localStorage.getItem(KEPT) === "yes" && window.Notification?.permission === "granted";

  function begin(box) {
    if (box.begun) return;
    box.begun = true;
    const input = box.querySelector("input");
    input.checked = wanted();
    input.onchange = async () => {
      const granted = input.checked && (await window.Notification?.requestPermission()) === "granted";
      localStorage.setItem(KEPT, granted ? "yes" : "no");
      box.querySelector(".said").textContent = input.checked && !granted ? box.dataset.denied : "";
      input.checked = granted;
    };
  }

  async function tick() {
    const box = document.querySelector("[data-notify]");
    if (box) begin(box);
    if (!box || !wanted()) {
      known = null;
      return;
    }
    try {
      const answer = await fetch("studio/runs", { headers: tag && known ? { "If-None-Match": tag } : {} });
      if (answer.status !== 200) return;
      tag = answer.headers.get("ETag");
      const { runs } = await answer.json();
      for (const { run, name, state } of runs) {
        const before = known?.get(run);
        if (before && before !== state && OVER.includes(state)) {
          new Notification(`${name}: ${box.dataset[state]}`, { tag: run });
        }
      }
      known = new Map(runs.map(({ run, state }) => [run, state]));
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    }
  }

  setInterval(tick, POLL_MS);
  document.addEventListener("click", () => setTimeout(() => {
    const box = document.querySelector("[data-notify]");
    if (box) begin(box);
  }, 100));
})();
