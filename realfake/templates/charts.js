"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const SVG = "http://www.w3.org/2000/svg";
// Okabe and Ito's palette without its yellow. Dashes as well as colours change from one line to the next, so that lines
// that coincide are both seen: their numbers share no factor.
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a6fc7"];
const DASHES = ["", "9 5", "2 4", "9 4 2 4"];
const $ = (id) => document.getElementById(id);

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}
function drawn(name, attributes = {}, text) {
  const node = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text !== undefined) node.textContent = text;
  return node;
}
function options(select, values, label = (v) => v) {
  select.replaceChildren(...values.map((v) => element("option", { value: v }, label(v))));
}
const finite = (v) => typeof v === "number" && Number.isFinite(v);
const shown = (v) => (v === null ? "–" : v);
const short = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);
function figure(v) {
  if (!finite(v)) return "–";
  const size = Math.abs(v);
  return size >= 1e4 || (size && size < 1e-3) ? v.toExponential(1) : size >= 10 ? v.toFixed(1) : v.toFixed(3);
}


// --- axes -----------------------------------------------------------------------------------------------------------

function ticks(low, high, wanted) {
  const rough = (high - low) / wanted, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

function powers(low, high) {
  const found = [];
  for (let p = Math.floor(low); p <= high; p++) {
    for (const m of high - low > 2.2 ? [1] : [1, 2, 5]) found.push(m * 10 ** p);
  }
  return found.filter((v) => Math.log10(v) >= low && Math.log10(v) <= high);
}

const tick = (v) => String(Number(v.toPrecision(4)));

function axis(values, from, to, log = false) {
  let low = Math.min(...values), high = Math.max(...values);
  if (log) [low, high] = [Math.log10(low), Math.log10(high)];
  const pad = high > low ? 0.06 * (high - low) : Math.abs(high) * 0.1 || 0.5;
  [low, high] = [low - pad, high + pad];
  const scale = (v) => from + ((log ? Math.log10(v) : v) - low) / (high - low) * (to - from);
  const marks = log ? powers(low, high) : ticks(low, high, 7);
  return { scale, marks };
}

function frame(width, height, left, bottom, y, title) {
  const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
  for (const mark of y.marks) {
    svg.append(drawn("line", { class: "grid", x1: left, x2: width - 8, y1: y.scale(mark), y2: y.scale(mark) }));
    svg.append(drawn("text", { x: left - 6, y: y.scale(mark) + 4, "text-anchor": "end" }, tick(mark)));
  }
  return svg;
}

function words(lines) {
  // The names of lines, beside a piece of each.
  return element("div", { class: "legend" }, ...lines.map(({ name, colour, dash }) => {
    const piece = drawn("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" });
    piece.append(drawn("line", { x1: 0, x2: 26, y1: 4, y2: 4, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash }));
    return element("span", {}, piece, name);
  }));
}

function chart(title, lines, { low, high, from, to, unit, band, mark, whole, height = 190 } = {}) {
  // A figure of lines {name, x, y, colour, dash}; a line is broken where y is null, and has dots where it has few points.
  const [width, left, bottom] = [360, 46, 34];
  const values = lines.flatMap((l) => l.y).filter(finite), along = lines.flatMap((l) => l.x);
  if (!values.length) return null;
  const y = axis([low ?? Math.min(...values), high ?? Math.max(...values)], height - bottom, 10);
  let [first, last] = [from ?? Math.min(...along), to ?? Math.max(...along)];
  if (first === last) [first, last] = [first - 0.5, last + 0.5];
  const x = (v) => left + 6 + (v - first) / (last - first) * (width - left - 20);
  const svg = frame(width, height, left, bottom, y, title);
  if (band) svg.prepend(drawn("rect", { class: "band", x: x(band[0]), width: Math.max(1, x(band[1]) - x(band[0])), y: 8, height: height - bottom - 8 }));
  for (const at of ticks(first, last, 5).filter((v) => !whole || Number.isInteger(v))) svg.append(drawn("text", { x: x(at), y: height - bottom + 15, "text-anchor": "middle" }, tick(at)));
  svg.append(drawn("text", { x: (left + width) / 2, y: height - 4, "text-anchor": "middle" }, unit));
  if (finite(mark)) svg.append(drawn("line", { class: "mark", x1: x(mark), x2: x(mark), y1: 8, y2: height - bottom }));
  for (const { name, x: xs, y: ys, colour, dash } of lines) {
    const parts = [[]];
    xs.forEach((v, i) => (finite(ys[i]) ? parts[parts.length - 1].push([x(v), y.scale(ys[i])]) : parts.push([])));
    for (const part of parts.filter((p) => p.length)) {
      const line = drawn("polyline", { class: "curve", points: part.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), stroke: colour, "stroke-dasharray": dash });
      line.append(drawn("title", {}, `${name}, last ${figure(ys.findLast(finite))}`));
      svg.append(line);
    }
    if (xs.length <= 20) xs.forEach((v, i) => finite(ys[i]) && svg.append(drawn("circle", { cx: x(v), cy: y.scale(ys[i]), r: 2.6, fill: colour })));
  }
  return element("figure", {}, element("figcaption", {}, title), svg, ...(lines.length > 1 || lines[0].name !== title ? [words(lines)] : []));
}
const style = (k) => ({ colour: COLOURS[k % COLOURS.length], dash: DASHES[k % DASHES.length] });

// --- confusion matrices ---------------------------------------------------------------------------------------------

function matrix(task, names, counts, share = true) {
  const total = counts.flat().reduce((a, b) => a + b, 0);
  if (!total) return null;
  const right = counts.reduce((sum, row, i) => sum + row[i], 0);
  const caption = element("caption", {}, task + " ", element("small", { class: "hint" }, `${right} of ${total} right`));
  const top = element("tr", {}, element("td"), ...names.map((n) => element("th", { scope: "col" }, element("span", {}, n))));
  const rows = counts.map((row, i) => {
    const sum = row.reduce((a, b) => a + b, 0);
    const cells = row.map((n, j) => {
      const part = sum ? n / sum : 0;
      const cell = element("td", { title: `true ${names[i]}, predicted ${names[j]}: ${n} of ${sum}` }, n ? (share ? Math.round(100 * part) : n) : "·");
      cell.style.backgroundColor = `rgba(var(--tint), ${(0.04 + 0.62 * part).toFixed(2)})`;
      if (i === j) cell.className = "hit";
      return cell;
    });
    return element("tr", {}, element("th", { scope: "row" }, names[i]), ...cells);
  });
  return element("div", {}, element("table", { class: "matrix" }, caption, element("thead", {}, top), element("tbody", {}, ...rows)));
}
