// The live loss chart: asks for the visible steps only, and never touches the user's zoom.
(() => {
  const POLL_MS = 1000;
  const state = { run: "", etag: "", range: null, busy: false, drawn: "" };

  const current = () => document.querySelector("#train-current-run [data-run]");
  const dark = () => document.body.classList.contains("dark");

  function layout(words) {
    const ink = dark() ? "#cbd5e1" : "#334155";
    const grid = dark() ? "#1e293b" : "#e2e8f0";
    return {
      uirevision: state.run,
      margin: { l: 52, r: 14, t: 30, b: 40 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: 12, family: "inherit" },
      hovermode: "x unified",
      hoverlabel: { bgcolor: dark() ? "#0f172a" : "#ffffff" },
      legend: { orientation: "h", x: 0, y: 1.14 },
      xaxis: { title: { text: words.x }, gridcolor: grid, zeroline: false },
      yaxis: { gridcolor: grid, zeroline: false, rangemode: "tozero" },
    };
  }

  function traces(series, words) {
    const line = (name, label, color, mode) => {
      const points = series[name] || [[], []];
      return { x: points[0], y: points[1], name: label, mode, type: "scatter", line: { color, width: 2 }, marker: { size: 7 } };
    };
    return [
      line("loss", words.loss, "#3b82f6", "lines"),
      line("eval_loss", words.eval_loss, "#f59e0b", "lines+markers"),
    ].filter((trace) => trace.x.length);
  }

  function draw(plot, data, words) {
    const first = !plot.on;
    const shown = traces(data.series, words);
    document.getElementById("train-plot-empty").style.display = shown.length ? "none" : "flex";
    window.Plotly.react(plot, shown, layout(words), { displaylogo: false, responsive: true });
    plot.dataset.points = String(data.points);
    plot.setAttribute("aria-label", `${words.loss}: ${data.points}`);
    if (first) {
      plot.on("plotly_relayout", (change) => {
        if ("xaxis.range[0]" in change) state.range = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
        if (change["xaxis.autorange"]) state.range = null;
        if ("xaxis.range[0]" in change || change["xaxis.autorange"]) state.etag = "";
      });
    }
  }

  async function tick() {
    const plot = document.getElementById("train-plot");
    const run = current();
    if (!plot || !run || !window.Plotly || document.hidden || state.busy) return;
    if (!plot.offsetParent) return;
    const words = { loss: run.dataset.loss, eval_loss: run.dataset.evalLoss, x: run.dataset.x };
    const look = `${dark()}${words.loss}`;
    if (run.dataset.run !== state.run || look !== state.drawn || !plot.on) state.etag = "";
    if (run.dataset.run !== state.run) {
      Object.assign(state, { run: run.dataset.run, range: null });
      draw(plot, { series: {}, points: 0 }, words);
    }
    state.drawn = look;
    if (!state.run) return;
    const query = new URLSearchParams({ run: state.run });
    if (state.range) {
      // Beyond both edges by a third, so that panning shows a line at once.
      const third = (state.range[1] - state.range[0]) / 3;
      query.set("x_min", state.range[0] - third);
      query.set("x_max", state.range[1] + third);
    }
    state.busy = true;
    try {
      const answer = await fetch(`studio/points?${query}`, { headers: state.etag ? { "If-None-Match": state.etag } : {} });
      if (answer.status === 200) {
        const data = await answer.json();
        state.etag = answer.headers.get("ETag") || "";
        if (data.run === state.run) draw(plot, data, words);
      }
    } catch {
      // The studio is restarting; the next tick finds it again.
    } finally {
      state.busy = false;
    }
  }

  setInterval(tick, POLL_MS);
})();
