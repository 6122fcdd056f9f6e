// Charts of runs: each asks for what can be seen only, and never touches the person's zoom.
(() => {
  const POLL_MS = 1000;
  const KEPT = "studio-chart";
  const COLORS = ["#3b82f6", "#f59e0b", "#10b981", "#a855f7", "#ef4444", "#14b8a6", "#ec4899", "#84cc16"];
  // Where the system asks for contrast: 4.5 and more to 1, dark on light and light on dark.
  const STRONG = {
    light: ["#1d4ed8", "#9a3412", "#166534", "#6b21a8", "#991b1b", "#115e59", "#9d174d", "#3f6212"],
    dark: ["#93c5fd", "#fdba74", "#86efac", "#d8b4fe", "#fca5a5", "#5eead4", "#f9a8d4", "#bef264"],
  };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const HEIGHTS = { first: 260, next: 150, gap: 34, above: 34, below: 44 };
  // The last would send the chart to Plotly's cloud.
  const REMOVED = ["select2d", "lasso2d", "sendChartToCloud"];
  const MARKS = { resumed: "#94a3b8", best: "#10b981" };
  const charts = new Map();
  const wanted = { panels: ["loss"], axis: "step", log: false, weight: 0, ...read() };

  function read() {
    try {
      return JSON.parse(localStorage.getItem(KEPT)) || {};
    } catch {
      return {};
    }
  }

  function want(change) {
    Object.assign(wanted, change);
    localStorage.setItem(KEPT, JSON.stringify(wanted));
    charts.forEach((chart) => {
      if ("axis" in change) chart.range = null;
      chart.asked = "";
      tick(chart.box);
    });
  }

  const contrast = matchMedia("(prefers-contrast: more), (forced-colors: active)");
  const forced = matchMedia("(forced-colors: active)");
  const night = matchMedia("(prefers-color-scheme: dark)");
  // Forced colours follow the system, whatever the page was asked for.
  const dark = () => (forced.matches ? night.matches : document.body.classList.contains("dark"));
  const colors = () => (contrast.matches ? STRONG[dark() ? "dark" : "light"] : COLORS);

  // The answer of `studio/points`: see `points.py`.
  function unpack(buffer) {
    const length = new DataView(buffer).getUint32(0, true);
    const told = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
    let at = 4 + length;
    const take = (count) => {
      const numbers = new Float32Array(buffer, at, count);
      at += 4 * count;
      return numbers;
    };
    for (const curve of told.curves) {
      curve.x = take(curve.count);
      curve.y = take(curve.count);
      if (curve.smooth) curve.smooth = take(curve.count);
    }
    return told;
  }

  // A run name without its model and method, as long as that tells runs apart.
  const shortName = (run) => run.split("/").at(-1);

  function traces(chart, words, panels) {
    const several = chart.runs.length > 1;
    const drawn = [];
    chart.runs.forEach((run, number) => {
      const told = chart.told.get(run);
      if (!told) return;
      told.curves.forEach((curve, index) => {
        const place = panels.indexOf(curve.panel);
        if (place < 0) return;
        const among = told.curves.filter((other) => other.panel === curve.panel).indexOf(curve);
        const color = colors()[(several ? number : index) % COLORS.length];
        // Told apart without colour, too: runs, and what is drawn in one plot.
        const dash = DASHES[((several ? number : 0) + among) % DASHES.length];
        // `gpu_use:1` is that of one GPU among several.
        const [kind, gpu = ""] = curve.name.split(":");
        const label = `${words.measures[kind] || kind} ${gpu}`.trim();
        const common = {
          type: "scatter",
          yaxis: place ? `y${place + 1}` : "y",
          name: several ? `${shortName(run)} · ${label}` : label,
          legendgroup: `${run} ${curve.name}`,
          mode: curve.count > 1 && !curve.name.startsWith("eval_") ? "lines" : "lines+markers",
          marker: { size: 6, color },
        };
        const line = { color, width: 2, dash };
        const value = { hovertemplate: "%{y:.6~g}" };
        if (curve.smooth) {
          const faint = { opacity: 0.25, showlegend: false, hoverinfo: "skip" };
          drawn.push({ ...common, x: curve.x, y: curve.y, line: { ...line, width: 1 }, ...faint });
          drawn.push({ ...common, x: curve.x, y: curve.smooth, line, ...value });
        } else {
          drawn.push({ ...common, x: curve.x, y: curve.y, line, ...value });
        }
      });
      drawn.push(...marked(told, words, panels, several));
    });
    return drawn;
  }

  // Points on the curves themselves: the best evaluation, spikes, and where checkpoints were written.
  function marked(told, words, panels, several) {
    const place = panels.indexOf("loss");
    if (place < 0) return [];
    const on = (kind, name, symbol, color, size) => {
      const curve = told.curves.find((other) => other.name === name);
      const places = told.marks[kind] || [];
      if (!curve || !places.length) return [];
      const x = [];
      const y = [];
      for (const at of places) {
        const index = curve.x.findIndex((other) => other >= Math.fround(at));
        if (index < 0) continue;
        x.push(curve.x[index]);
        y.push(curve.y[index]);
      }
      const marker = { symbol, color, size, line: { width: 1, color: dark() ? "#0f172a" : "#ffffff" } };
      const trace = { type: "scatter", mode: "markers", x, y, marker, name: words.marks[kind], showlegend: !several };
      return [{ ...trace, yaxis: place ? `y${place + 1}` : "y", hoverinfo: "skip" }];
    };
    // Of several runs the best evaluations tell enough.
    if (several) return on("best", "eval_loss", "star", MARKS.best, 13);
    return [
      ...on("saved", "loss", "triangle-down", "#64748b", 8),
      ...on("spike", "loss", "diamond", "#ef4444", 8),
      ...on("best", "eval_loss", "star", MARKS.best, 13),
    ];
  }

  function layout(chart, words, panels) {
    const ink = contrast.matches ? (dark() ? "#ffffff" : "#000000") : dark() ? "#cbd5e1" : "#334155";
    const grid = contrast.matches ? (dark() ? "#94a3b8" : "#64748b") : dark() ? "#1e293b" : "#e2e8f0";
    const inner = HEIGHTS.first + (panels.length - 1) * (HEIGHTS.next + HEIGHTS.gap);
    const axes = {};
    let top = inner;
    panels.forEach((panel, place) => {
      const height = place ? HEIGHTS.next : HEIGHTS.first;
      axes[place ? `yaxis${place + 1}` : "yaxis"] = {
        domain: [Math.max(0, (top - height) / inner), top / inner],
        title: { text: words.panels[panel] || panel, standoff: 6, font: { size: 11 } },
        type: wanted.log ? "log" : "linear",
        gridcolor: grid,
        zeroline: false,
        automargin: true,
        exponentformat: "power",
      };
      top -= height + HEIGHTS.gap;
    });
    const shapes = [];
    for (const run of chart.runs) {
      for (const at of chart.told.get(run)?.marks.resumed || []) {
        const line = { color: MARKS.resumed, width: 1, dash: "dash" };
        shapes.push({ type: "line", x0: at, x1: at, yref: "paper", y0: 0, y1: 1, line });
      }
    }
    return {
      uirevision: `${chart.runs} ${wanted.axis} ${wanted.log} ${panels}`,
      height: inner + HEIGHTS.above + HEIGHTS.below,
      margin: { l: 58, r: 14, t: HEIGHTS.above, b: HEIGHTS.below },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, size: 12, family: "inherit" },
      hovermode: "x unified",
      hoversubplots: "axis",
      hoverlabel: { bgcolor: dark() ? "#0f172a" : "#ffffff" },
      legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom", font: { size: 11 } },
      showlegend: true,
      modebar: { orientation: "v", bgcolor: "rgba(0,0,0,0)", color: grid, activecolor: ink },
      shapes,
      xaxis: {
        title: { text: words.axes[wanted.axis], standoff: 4 },
        gridcolor: grid,
        zeroline: false,
        anchor: panels.length > 1 ? `y${panels.length}` : "y",
        tickformat: wanted.axis === "time" ? "~s" : "",
      },
      ...axes,
    };
  }

  function draw(chart) {
    const words = JSON.parse(chart.box.dataset.words);
    const plot = chart.plot;
    const offered = new Set(chart.runs.flatMap((run) => chart.told.get(run)?.panels || []));
    const known = Object.keys(words.panels);
    const order = [...offered].sort((a, b) => rank(known, a) - rank(known, b));
    const panels = order.filter((panel) => wanted.panels.includes(panel));
    const data = panels.length ? traces(chart, words, panels) : [];
    offer(chart, words, order);
    chart.empty.style.display = data.length ? "none" : "flex";
    const first = !plot.on;
    const options = { displaylogo: false, responsive: true, modeBarButtonsToRemove: REMOVED, locale: "studio" };
    options.locales = { studio: { dictionary: words.bar } };
    chart.drawing = window.Plotly.react(plot, data, layout(chart, words, panels.length ? panels : ["loss"]), options);
    const points = chart.runs.reduce((sum, run) => sum + (chart.told.get(run)?.points || 0), 0);
    plot.dataset.points = String(points);
    plot.setAttribute("aria-label", `${panels.map((panel) => words.panels[panel] || panel).join(", ")}: ${points}`);
    if (first) plot.on("plotly_relayout", (change) => zoom(chart, change));
  }

  const rank = (known, panel) => (known.includes(panel) ? known.indexOf(panel) : known.length);

  function zoom(chart, change) {
    const low = change["xaxis.range[0]"] ?? change["xaxis.range"]?.[0];
    const high = change["xaxis.range[1]"] ?? change["xaxis.range"]?.[1];
    if (low !== undefined) chart.range = [low, high];
    else if (change["xaxis.autorange"]) chart.range = null;
    else return;
    chart.asked = "";
    tick(chart.box);
  }

  // Which plots there are to choose from; unchanged buttons stay, so that the focus does.
  function offer(chart, words, order) {
    const place = chart.box.querySelector(".chips");
    const offered = `${order}${chart.box.dataset.words.length}`;
    if (place.dataset.offered !== offered) {
      place.dataset.offered = offered;
      place.replaceChildren(
        ...order.map((panel) => {
          const chip = document.createElement("button");
          chip.type = "button";
          chip.dataset.panel = panel;
          chip.textContent = words.panels[panel] || panel;
          chip.onclick = () => {
            const has = wanted.panels.includes(panel);
            want({ panels: has ? wanted.panels.filter((other) => other !== panel) : [...wanted.panels, panel] });
          };
          return chip;
        }),
      );
    }
    for (const chip of place.children) {
      chip.setAttribute("aria-pressed", String(wanted.panels.includes(chip.dataset.panel)));
    }
  }

  function controls(chart) {
    const part = (name) => chart.box.querySelector(`[data-control=${name}]`);
    part("axis").value = wanted.axis;
    part("log").checked = wanted.log;
    part("weight").value = wanted.weight;
    part("weight").nextElementSibling.value = wanted.weight || "–";
    part("axis").onchange = (event) => want({ axis: event.target.value });
    part("log").onchange = (event) => want({ log: event.target.checked });
    part("weight").oninput = (event) => {
      event.target.nextElementSibling.value = +event.target.value || "–";
      want({ weight: +event.target.value });
    };
    chart.box.querySelectorAll("[data-image]").forEach((button) => {
      button.onclick = () => picture(chart, button.dataset.image);
    });
  }

  // Screens may be dark; what goes into a paper or a slide is not.
  async function picture(chart, format) {
    const name = chart.runs.map(shortName).join("-") || "chart";
    const plain = {
      ...chart.plot.layout,
      paper_bgcolor: "#ffffff",
      plot_bgcolor: "#ffffff",
      font: { ...chart.plot.layout.font, color: "#1e293b", family: "sans-serif" },
    };
    const size = { width: 1000, height: chart.plot.layout.height };
    await window.Plotly.downloadImage({ data: chart.plot.data, layout: plain }, { format, filename: name, ...size });
  }

  function runsOf(box) {
    const marker = document.querySelector(box.dataset.follow);
    if (!marker) return [];
    return marker.dataset.runs ? JSON.parse(marker.dataset.runs) : [marker.dataset.run].filter(Boolean);
  }

  function chartOf(box) {
    const plot = box.querySelector(".plot");
    let chart = charts.get(box.dataset.chart);
    if (!chart) {
      chart = { runs: [], told: new Map(), tags: new Map(), range: null, asked: "", busy: false };
      charts.set(box.dataset.chart, chart);
    }
    if (chart.box !== box || chart.plot !== plot) {
      Object.assign(chart, { box, plot, empty: box.querySelector(".plot-empty"), asked: "" });
      controls(chart);
    }
    return chart;
  }

  function question(chart, run) {
    const query = new URLSearchParams({ run, panels: wanted.panels.join(), axis: wanted.axis, weight: wanted.weight });
    if (chart.range) {
      // Beyond both edges by a third, so that panning shows a line at once.
      const third = (chart.range[1] - chart.range[0]) / 3;
      query.set("x_min", chart.range[0] - third);
      query.set("x_max", chart.range[1] + third);
    }
    return query;
  }

  async function fetchRun(chart, run) {
    const query = question(chart, run);
    const headers = chart.tags.has(run) ? { "If-None-Match": chart.tags.get(run) } : {};
    const answer = await fetch(`studio/points?${query}`, { headers });
    if (answer.status !== 200) return false;
    chart.tags.set(run, answer.headers.get("ETag") || "");
    chart.told.set(run, unpack(await answer.arrayBuffer()));
    return true;
  }

  async function tick(box) {
    if (!window.Plotly || document.hidden || !box.isConnected || !box.offsetParent) return;
    const chart = chartOf(box);
    if (chart.busy) return;
    const runs = runsOf(box);
    if (String(runs) !== String(chart.runs)) {
      Object.assign(chart, { runs, range: null, asked: "" });
      chart.told = new Map([...chart.told].filter(([run]) => runs.includes(run)));
    }
    links(chart);
    const asked = JSON.stringify([runs, wanted, chart.range, dark(), box.dataset.words.length]);
    const anew = asked !== chart.asked || !chart.plot.on;
    if (anew) chart.tags.clear();
    chart.asked = asked;
    chart.busy = true;
    try {
      const came = await Promise.all(runs.map((run) => fetchRun(chart, run)));
      // The person may have changed something meanwhile: then the next round draws.
      if (String(runsOf(box)) === String(runs) && (anew || came.some(Boolean))) draw(chart);
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
      chart.asked = "";
    } finally {
      chart.busy = false;
    }
    if (JSON.stringify([runs, wanted, chart.range, dark(), box.dataset.words.length]) !== asked) tick(box);
  }

  // What can be kept of the run that is shown.
  function links(chart) {
    chart.box.querySelectorAll("[data-keep]").forEach((link) => {
      const query = new URLSearchParams({ run: chart.runs[0] || "" });
      if (link.dataset.keep === "html") {
        const language = document.documentElement.lang === "zh" ? "zh" : "en";
        for (const [name, value] of Object.entries({ panels: wanted.panels.join(), axis: wanted.axis, weight: wanted.weight, log: wanted.log, language })) {
          query.set(name, value);
        }
        chart.runs.slice(1).forEach((run) => query.append("run", run));
      }
      const file = link.dataset.keep === "zip" ? "bundle.zip" : `metrics.${link.dataset.keep}`;
      link.href = `studio/${file}?${query}`;
      link.hidden = !chart.runs.length || (chart.runs.length > 1 && link.dataset.keep !== "html");
    });
  }

  setInterval(() => document.querySelectorAll("[data-chart]").forEach(tick), POLL_MS);
})();
