// Follows charts.js.
const state = { selected: new Set(), colourBy: "" };
// --- tables ---------------------------------------------------------------------------------------------------------

function sortBy(button) {
  const head = button.closest("th"), table = head.closest("table"), column = head.cellIndex;
  const descending = head.getAttribute("aria-sort") === "ascending"
    || (head.getAttribute("aria-sort") === "none" && head.classList.contains("number") && button.textContent !== "#");
  const key = (body) => {
    const cell = body.rows[0].cells[column];
    return cell.dataset.value ?? cell.textContent.trim();
  };
  const bodies = [...table.tBodies].map((body) => ({ body, text: key(body) }));
  for (const b of bodies) {
    b.missing = b.text === "" || b.text === "–";
    b.number = b.missing ? NaN : Number(b.text);
  }
  const numeric = bodies.every((b) => b.missing || !Number.isNaN(b.number));
  bodies.sort((a, b) => {
    if (a.missing || b.missing) return a.missing - b.missing;  // whichever way the others go
    const order = numeric ? a.number - b.number : a.text.localeCompare(b.text, "en", { numeric: true });
    return descending ? -order : order;
  });
  table.append(...bodies.map((b) => b.body));
  for (const other of table.tHead.querySelectorAll("th[aria-sort]")) other.setAttribute("aria-sort", "none");
  head.setAttribute("aria-sort", descending ? "descending" : "ascending");
}

function toggleDetails(button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", open);
  button.textContent = open ? "▾" : "▸";
  button.closest("tbody").rows[1].hidden = !open;
}

// --- which run has which colour -------------------------------------------------------------------------------------

function look(run) {
  if (!state.selected.has(run)) return null;
  const values = data.values[state.colourBy];
  const order = values ? values.indexOf(data.runs[run].settings[state.colourBy]) : [...state.selected].indexOf(run);
  return style(order);
}

function drawLegends() {
  const values = data.values[state.colourBy];
  const entries = values
    ? values.map((v) => [[...state.selected].find((r) => data.runs[r].settings[state.colourBy] === v), `${state.colourBy}=${shown(v)}`])
    : [...state.selected].map((r) => [r, data.runs[r].label]);
  const known = entries.filter(([run]) => run !== undefined).slice(0, 24);
  for (const legend of document.querySelectorAll(".legend")) {
    legend.replaceChildren(...words(known.map(([run, name]) => ({ name, ...look(run) }))).children);
    if (!values && state.selected.size > known.length) legend.append(element("span", {}, `and ${state.selected.size - known.length} more`));
  }
}

function toggleRun(run) {
  if (!state.selected.delete(run)) state.selected.add(run);
  refresh();
}

function refresh() {
  for (const body of document.querySelectorAll("tbody[data-run]")) {
    const run = Number(body.dataset.run), box = body.querySelector("input"), its = look(run);
    box.checked = its !== null;
    box.style.setProperty("--mark", its ? its.colour : "");
  }
  for (const select of document.querySelectorAll(".colour-by")) select.value = state.colourBy;
  drawLegends();
  if ($("effects")) drawEffects();
  if ($("curve-plot")) drawCurves();
}

// --- plots ----------------------------------------------------------------------------------------------------------

function drawEffects() {
  const metric = $("effect-metric").value;
  $("effects").replaceChildren(...data.varying.map((key) => effect(key, metric)).filter((f) => f));
}

function effect(key, metric) {
  const runs = data.runs.map((run, index) => ({ index, run, x: run.settings[key], y: run.metrics[metric] })).filter((p) => finite(p.y));
  const levels = data.values[key].filter((v) => runs.some((p) => p.x === v));
  if (!levels.length) return null;
  const [width, height, left, bottom] = [360, 232, 46, 28];
  const y = axis(runs.map((p) => p.y), height - bottom, 10);
  const svg = frame(width, height, left, bottom, y, `${metric} by ${key}`);
  const numbers = levels.map(Number), numeric = levels.length > 5 && numbers.every((v, i) => levels[i] !== null && Number.isFinite(v));
  const log = numeric && Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) >= 50;
  const along = numeric ? axis(numbers, left + 8, width - 14, log) : null;
  const slot = (width - left - 8) / levels.length;
  const place = (v) => (numeric ? along.scale(Number(v)) : left + slot * (levels.indexOf(v) + 0.5));
  if (numeric) {
    for (const mark of along.marks) svg.append(drawn("text", { x: along.scale(mark), y: height - bottom + 18, "text-anchor": "middle" }, String(Number(mark.toPrecision(2)))));
  } else {
    const room = Math.max(3, Math.floor(slot / 6.8));
    levels.forEach((v, i) => {
      if (levels.length > 24 && i % Math.ceil(levels.length / 12)) return;
      const label = drawn("text", { x: place(v), y: height - bottom + 18, "text-anchor": "middle" }, short(shown(v), levels.length > 24 ? 6 : room));
      label.append(drawn("title", {}, shown(v)));
      svg.append(label);
    });
  }
  // The same run always lies at the same place of its column, so that a redraw does not make dots jump.
  const spread = numeric ? 0 : Math.min(slot * 0.3, 26);
  const dots = runs.map((p) => {
    const its = look(p.index), shift = ((p.index * 0.618034) % 1 - 0.5) * 2 * spread;
    const dot = drawn("circle", { cx: place(p.x) + shift, cy: y.scale(p.y), r: 4.5, ...(its ? { fill: its.colour } : { class: "other" }) });
    dot.append(drawn("title", {}, `${p.run.label}\n${metric} ${figure(p.y)}`));
    dot.addEventListener("click", () => toggleRun(p.index));
    return [its !== null, dot];
  });
  svg.append(...dots.filter(([on]) => !on).map(([, dot]) => dot), ...dots.filter(([on]) => on).map(([, dot]) => dot));
  for (const v of levels) {
    const own = runs.filter((p) => p.x === v).map((p) => p.y), mean = own.reduce((a, b) => a + b) / own.length;
    if (numeric && own.length === 1) continue;
    const half = numeric ? 7 : Math.min(slot * 0.38, 32);
    const mark = drawn("line", { class: "mean", x1: place(v) - half, x2: place(v) + half, y1: y.scale(mean), y2: y.scale(mean) });
    mark.append(drawn("title", {}, `${key}=${shown(v)}: mean ${figure(mean)} of ${own.length}`));
    svg.append(mark);
  }
  return element("figure", {}, element("figcaption", {}, key), svg);
}

function drawCurves() {
  const metric = $("curve-metric").value, log = $("curve-scale").value === "log";
  const lines = data.runs.map((run, index) => ({ run, index, curve: run.curves[metric] })).filter((l) => l.curve)
    .map((l) => ({ ...l, points: l.curve[0].map((x, i) => [x, l.curve[1][i]]).filter(([, v]) => finite(v) && (!log || v > 0)) }))
    .filter((l) => l.points.length);
  if (!lines.length) return $("curve-plot").replaceChildren(element("p", { class: "hint" }, "No run has a value to draw."));
  const width = Math.max(340, Math.min(1100, $("curve-plot").clientWidth - 20)), height = Math.round(Math.min(400, width * 0.62));
  const [left, bottom] = [56, 38];
  const all = lines.flatMap((l) => l.points);
  let [first, last] = [Infinity, -Infinity];
  for (const [e] of all) { first = Math.min(first, e); last = Math.max(last, e); }
  if (first === last) [first, last] = [first - 0.5, last + 0.5];
  const range = [Infinity, -Infinity];
  for (const [, v] of all) { range[0] = Math.min(range[0], v); range[1] = Math.max(range[1], v); }
  const y = axis(range, height - bottom, 10, log);
  const x = (e) => left + (e - first) / (last - first) * (width - left - 16);
  const svg = frame(width, height, left, bottom, y, `${metric} by epoch`);
  for (const mark of ticks(first, last, Math.min(10, width / 70)).filter(Number.isInteger)) svg.append(drawn("text", { x: x(mark), y: height - bottom + 17, "text-anchor": "middle" }, mark));
  svg.append(drawn("text", { x: (left + width) / 2, y: height - 5, "text-anchor": "middle" }, "epoch"));
  // Ticked ones above the others; whole lines below broken ones, through whose gaps they are seen where they coincide.
  const layer = (index) => (look(index) ? 1 + (look(index).dash !== "") : 0);
  lines.sort((a, b) => layer(a.index) - layer(b.index));
  for (const { run, index, points } of lines) {
    const its = look(index);
    const line = points.length > 1
      ? drawn("polyline", { points: points.map(([e, v]) => `${x(e).toFixed(1)},${y.scale(v).toFixed(1)}`).join(" ") })
      : drawn("circle", { cx: x(points[0][0]), cy: y.scale(points[0][1]), r: 4 });
    const kind = points.length > 1 ? "curve" : "";
    line.setAttribute("class", its ? kind : `${kind} other`);
    if (its) {
      line.setAttribute(points.length > 1 ? "stroke" : "fill", its.colour);
      line.setAttribute("stroke-dasharray", its.dash);
    }
    const end = points[points.length - 1];
    line.append(drawn("title", {}, `${run.label}\nlast ${figure(end[1])} (epoch ${end[0]})`));
    line.addEventListener("click", () => toggleRun(index));
    svg.append(line);
  }
  $("curve-plot").replaceChildren(element("figure", {}, svg));
}

// --- confusion matrices ---------------------------------------------------------------------------------------------

function drawConfusions() {
  const { runs: members, classes } = data.pooled[$("confusion-run").value];
  $("confusion-tables").replaceChildren(...Object.entries(classes).map(([task, names]) => {
    const counts = names.map((_, i) => names.map((__, j) => members.reduce((sum, run) => sum + data.runs[run].confusions[task][i * names.length + j], 0)));
    return matrix(task, names, counts, $("confusion-cells").value === "rows");
  }).filter((m) => m));
}

// --- start ----------------------------------------------------------------------------------------------------------

for (const button of document.querySelectorAll(".sortable thead button")) button.addEventListener("click", () => sortBy(button));
for (const button of document.querySelectorAll(".more")) button.addEventListener("click", () => toggleDetails(button));
for (const body of document.querySelectorAll("tbody[data-run]")) body.querySelector("input").addEventListener("change", () => toggleRun(Number(body.dataset.run)));
const drawable = [...data.runs.keys()].filter((i) => data.runs[i].completed || Object.keys(data.runs[i].curves).length);
const completed = drawable.filter((i) => data.runs[i].completed);
for (const button of document.querySelectorAll("[data-select]")) {
  button.addEventListener("click", () => {
    state.selected = new Set({ best: completed.slice(0, 8), all: drawable, none: [] }[button.dataset.select]);
    refresh();
  });
}
for (const select of document.querySelectorAll(".colour-by")) {
  options(select, ["", ...data.varying.filter((key) => data.values[key].length <= COLOURS.length * DASHES.length)], (key) => key || "run");
  select.addEventListener("change", () => { state.colourBy = select.value; refresh(); });
}
for (const [id, names, redraw] of [["effect-metric", data.metrics, drawEffects], ["curve-metric", data.curves, drawCurves]]) {
  if (!$(id)) continue;
  options($(id), names);
  $(id).addEventListener("change", redraw);
}
if ($("curve-scale")) $("curve-scale").addEventListener("change", drawCurves);
if ($("confusion-run")) {
  options($("confusion-run"), data.pooled.map((_, i) => String(i)), (i) => data.pooled[i].label);
  for (const id of ["confusion-run", "confusion-cells"]) $(id).addEventListener("change", drawConfusions);
  drawConfusions();
}
state.selected = new Set(completed.slice(0, completed.length <= 12 ? 12 : 8));
refresh();
for (const pre of document.querySelectorAll("#failures pre")) pre.scrollTop = pre.scrollHeight;
addEventListener("resize", () => { if ($("curve-plot")) drawCurves(); });
