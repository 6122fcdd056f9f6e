// The list of all runs: searched, sorted and filtered here, so that a key stroke asks nobody.
(() => {
  const POLL_MS = 2000;
  const COLUMNS = ["name", "state", "model", "how", "datasets", "steps", "loss", "best_loss", "took", "started", "tags", "note"];
  const NUMBERS = new Set(["steps", "loss", "best_loss", "took"]);
  const DRAWN_AT_ONCE = 200;
  const state = { told: { runs: [], trash: [] }, tag: "", chosen: new Set(), sort: ["started", -1], drawn: 0, busy: false };

  const dark = () => document.body.classList.contains("dark");
  const box = () => document.querySelector("[data-history]");
  const words = () => JSON.parse(box().dataset.words);
  const say = (key, values = {}) =>
    Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), words()[`history.${key}`]);
  const number = (value) => (value === null ? "–" : value.toPrecision(5).replace(/\.?0+$/, ""));

  const values = {
    name: (run) => run.name,
    state: (run) => run.state,
    model: (run) => run.model,
    how: (run) => `${run.stage} ${run.method}`,
    datasets: (run) => run.datasets.join(", "),
    steps: (run) => run.step,
    loss: (run) => run.loss,
    best_loss: (run) => run.best_loss,
    took: (run) => run.elapsed_s,
    started: (run) => run.started_at,
    tags: (run) => run.tags.join(", "),
    note: (run) => run.note,
  };
  const told = {
    steps: (run) => `${run.step} / ${run.total_steps ?? "–"}`,
    loss: (run) => number(run.loss),
    best_loss: (run) => (run.best_loss === null ? "–" : `${number(run.best_loss)} (${run.best_step})`),
    took: (run) => window.studio.duration(run.elapsed_s),
    started: (run) => (run.started_at ? new Date(run.started_at * 1000).toLocaleString(box().dataset.language) : "–"),
  };

  function shown() {
    const place = box();
    const wanted = place.querySelector("input[type=search]").value.toLowerCase().split(/\s+/).filter(Boolean);
    const only = place.querySelector("select").value;
    const archived = place.querySelector("[data-archived]").checked;
    const [column, direction] = state.sort;
    const text = (run) => [run.run, run.stage, ...run.datasets, ...run.tags, run.note].join(" ").toLowerCase();
    const found = state.told.runs.filter(
      (run) => (archived || !run.archived) && (!only || run.state === only) && wanted.every((word) => text(run).includes(word)),
    );
    const value = values[column];
    // What is not known comes last, whichever way.
    const known = (run) => value(run) !== null && value(run) !== "";
    const order = (a, b) => {
      if (known(a) !== known(b)) return known(a) ? -1 : 1;
      const [left, right] = [value(a), value(b)];
      return direction * (typeof left === "string" ? left.localeCompare(right) : left - right);
    };
    return found.sort(order);
  }

  function element(tag, text = "", properties = {}) {
    return Object.assign(document.createElement(tag), { textContent: text }, properties);
  }

  function line(run) {
    const row = element("tr", "", { className: run.archived ? "archived" : "" });
    const pick = element("input", "", { type: "checkbox", checked: state.chosen.has(run.run) });
    pick.setAttribute("aria-label", say("choose", { name: run.name }));
    pick.onchange = () => {
      if (pick.checked) state.chosen.add(run.run);
      else state.chosen.delete(run.run);
      drawActs();
    };
    const first = element("td");
    first.append(pick);
    row.append(first);
    for (const column of COLUMNS) {
      const cell = element("td", "", { className: NUMBERS.has(column) ? "number" : "" });
      if (column === "state") cell.append(element("span", words()[`state.${run.state}`], { className: `pill ${run.state}` }));
      else if (column === "tags") cell.append(...run.tags.map((tag) => element("span", tag, { className: "tag" })));
      else if (column === "name") cell.append(window.studio.goLink("train", run.name, run.name));
      else cell.textContent = (told[column] || values[column])(run);
      if (column === "took" && run.elapsed_s !== null) cell.title = window.studio.say("unit.s", { count: run.elapsed_s.toFixed(1) });
      row.append(cell);
    }
    return row;
  }

  function drawRows() {
    const place = box();
    const rows = place.querySelector(".rows");
    const found = shown();
    place.querySelector(".count").textContent = say("count", { shown: found.length, total: state.told.runs.length });
    const table = element("table", "", { className: "data" });
    const heads = element("tr");
    const all = element("input", "", { type: "checkbox", checked: found.length > 0 && found.every((run) => state.chosen.has(run.run)) });
    all.setAttribute("aria-label", say("choose_all"));
    all.onchange = () => {
      for (const run of found) {
        if (all.checked) state.chosen.add(run.run);
        else state.chosen.delete(run.run);
      }
      drawRows();
      drawActs();
    };
    const corner = element("th");
    corner.append(all);
    heads.append(corner);
    for (const column of COLUMNS) {
      const head = element("th");
      const button = element("button", say(column), { type: "button" });
      const sorted = state.sort[0] === column;
      if (sorted) head.setAttribute("aria-sort", state.sort[1] > 0 ? "ascending" : "descending");
      button.onclick = () => {
        state.sort = [column, sorted ? -state.sort[1] : NUMBERS.has(column) || column !== "started" ? 1 : -1];
        drawRows();
      };
      head.append(button);
      heads.append(head);
    }
    const body = element("tbody");
    const more = () => body.append(...found.slice(body.rows.length, body.rows.length + DRAWN_AT_ONCE).map(line));
    more();
    const top = element("thead");
    top.append(heads);
    table.append(top, body);
    // What is far below is drawn when somebody comes near it.
    rows.onscroll = () => rows.scrollTop + rows.clientHeight > rows.scrollHeight - 400 && body.rows.length < found.length && more();
    const none = element("p", `${say(state.told.runs.length ? "none" : "empty")} `, { className: "line nothing" });
    if (!state.told.runs.length) none.append(window.studio.goLink("train"));
    rows.replaceChildren(found.length ? table : none);
  }

  function drawActs() {
    const place = box();
    const known = new Set(state.told.runs.map((run) => run.run));
    state.chosen = new Set([...state.chosen].filter((run) => known.has(run)));
    forget(known);
    const count = state.chosen.size;
    place.querySelectorAll(".acts [data-act]").forEach((button) => {
      window.studio.refuse(button, count ? "" : window.studio.say("why.choose_runs"));
    });
    place.querySelector(".chosen").textContent = count ? say("chosen", { count }) : "";
    const trash = place.querySelector(".trash");
    trash.hidden = !state.told.trash.length;
    trash.querySelector("ul").replaceChildren(
      ...state.told.trash.map((one) => {
        const when = new Date(one.deleted_at * 1000).toLocaleString(place.dataset.language);
        const item = element("li", `${one.run} · ${say("deleted", { when })} `);
        const back = element("button", say("restore"), { type: "button" });
        back.onclick = () => act("restore", [one.key]);
        item.append(back);
        return item;
      }),
    );
  }

  async function act(name, runs, value = "") {
    const place = box();
    if (name === "trash") forget(new Set(state.told.runs.map((run) => run.run).filter((run) => !runs.includes(run))));
    const body = JSON.stringify({ act: name, runs, value, language: place.dataset.language });
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("studio/runs", { method: "POST", headers, body });
    if (answer.ok) place.querySelector(".told").innerHTML = (await answer.json()).told;
    state.tag = "";
    await load();
  }

  function ask(name) {
    const form = box().querySelector(".ask");
    const input = form.querySelector("input");
    const first = state.told.runs.find((run) => state.chosen.has(run.run));
    form.hidden = false;
    form.querySelector("span").textContent = say(`${name}.ask`);
    input.value = first ? values[name](first) : "";
    input.focus();
    form.onsubmit = (event) => {
      event.preventDefault();
      form.hidden = true;
      act(name, [...state.chosen], input.value);
    };
  }

  const marker = () => document.querySelector("#history-compared [data-runs]");

  // What was thrown away is no longer drawn.
  function forget(known) {
    const compared = JSON.parse(marker().dataset.runs);
    const left = compared.filter((run) => known.has(run));
    if (left.length < compared.length) marker().dataset.runs = JSON.stringify(left);
  }

  async function compare() {
    const runs = [...state.chosen];
    const language = box().dataset.language;
    const answer = await fetch(`studio/compare?${new URLSearchParams({ runs: JSON.stringify(runs), language })}`);
    if (!answer.ok) return;
    const found = await answer.json();
    marker().dataset.runs = JSON.stringify(found.drawn);
    document.querySelectorAll("[data-compared]").forEach((place) => {
      place.hidden = false;
    });
    state.compared = found;
    document.querySelector("#history-compare .differences").innerHTML = found.table;
    const results = document.querySelector("#history-compare .results");
    results.hidden = !Object.keys(found.numeric).length || !Object.keys(found.results).length;
    if (results.hidden) return;
    for (const [kind, columns] of [["option", found.numeric], ["result", found.results]]) {
      const select = results.querySelector(`[data-of=${kind}]`);
      const count = (name) => columns[name].filter((value) => value !== null).length;
      const names = Object.keys(columns);
      select.replaceChildren(...names.map((name) => new Option(name, name)));
      // The first of those that the most runs have.
      select.value = names.reduce((best, name) => (count(name) > count(best) ? name : best));
      select.onchange = drawResults;
    }
    drawResults();
  }

  // How an option bears on a result, and all of them at once.
  function drawResults() {
    const { names, numeric, results } = state.compared;
    const value = (kind) => document.querySelector(`#history-compare [data-of=${kind}]`).value;
    const [option, result] = [value("option"), value("result")];
    const ink = dark() ? "#cbd5e1" : "#334155";
    const grid = dark() ? "#1e293b" : "#e2e8f0";
    const look = { paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", font: { color: ink, size: 12, family: "inherit" } };
    const axis = (text) => ({ title: { text }, gridcolor: grid, zeroline: false, automargin: true });
    const points = { x: numeric[option], y: results[result], text: names, type: "scatter", mode: "markers+text", cliponaxis: false, textposition: "top center", marker: { size: 10, color: "#3b82f6" } };
    const scatter = { ...look, height: 300, margin: { l: 60, r: 20, t: 20, b: 50 }, xaxis: axis(option), yaxis: axis(result) };
    const options = { displaylogo: false, responsive: true };
    window.Plotly.react("history-scatter", [points], scatter, options);
    const known = names.map((_, index) => index).filter((index) => results[result][index] !== null);
    const place = document.querySelector("#history-parallel");
    place.hidden = known.length < 2;
    if (place.hidden) return;
    const dimension = (label, all) => ({ label, values: known.map((index) => all[index]) });
    const dimensions = [...Object.entries(numeric).map(([label, all]) => dimension(label, all)), dimension(result, results[result])];
    const color = known.map((index) => results[result][index]);
    const parallel = { type: "parcoords", dimensions, line: { color, colorscale: [[0, "#3b82f6"], [1, "#f59e0b"]], showscale: true } };
    window.Plotly.react(place, [parallel], { ...look, height: 320, margin: { l: 70, r: 40, t: 60, b: 30 } }, options);
  }

  function begin(place) {
    place.begun = true;
    place.querySelector("input[type=search]").oninput = drawRows;
    place.querySelector("select").onchange = drawRows;
    place.querySelector("[data-archived]").onchange = drawRows;
    const acts = {
      compare,
      note: () => ask("note"),
      tags: () => ask("tags"),
      empty: () => window.confirm(say("empty_trash.ask", { count: state.told.trash.length })) && act("empty", []),
    };
    place.querySelectorAll("[data-act]").forEach((button) => {
      const name = button.dataset.act;
      button.onclick = acts[name] || (() => act(name, [...state.chosen]));
    });
    drawRows();
    drawActs();
    // In another language the comparison has other words.
    if (state.compared) compare().catch(() => {});
  }

  async function load() {
    const answer = await fetch("studio/runs", { headers: state.tag ? { "If-None-Match": state.tag } : {} });
    if (answer.status !== 200) return;
    state.tag = answer.headers.get("ETag");
    state.told = await answer.json();
    drawRows();
    drawActs();
  }

  async function tick() {
    const place = box();
    if (document.hidden || !place?.offsetParent || state.busy) return;
    if (!place.begun) begin(place);
    state.busy = true;
    try {
      await load();
    } catch {
      // The studio is restarting, or the page is going away; the next tick finds out.
    } finally {
      state.busy = false;
    }
  }

  setInterval(tick, POLL_MS);
  // In another language it is another list.
  setInterval(() => box()?.offsetParent && !box().begun && begin(box()), 200);
  // A tab that was just opened is not to be looked at empty.
  document.addEventListener("click", () => setTimeout(tick, 50));
})();
