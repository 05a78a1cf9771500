// Follows charts.js.

function drawLearning() {
  if (!$("learning-plots")) return;
  $("learning-plots").replaceChildren(...data.learning.map(({ title, lines }) => {
    const drawnLines = Object.entries(lines).map(([name, [x, y]], k) => ({ name, x, y, ...style(k) }));
    const share = title.endsWith("accuracy") ? { low: 0, high: 1 } : {};
    return chart(title, drawnLines, { ...share, unit: "epoch", mark: data.best_epoch, whole: true });
  }).filter((f) => f));
  if (finite(data.best_epoch)) $("learning-plots").after(element("p", { class: "hint" }, `Dotted: epoch ${data.best_epoch}, whose weights were tested.`));
}

function drawExample(place) {
  const { over_time: course, beside, interval_sec: band, streams } = data.examples[Number(place.dataset.example)];
  const figures = [];
  const every = [...(course ? course.times_sec : []), ...Object.values(streams).flatMap((s) => s.times_sec), ...band].filter(finite);
  const span = { from: Math.min(...every), to: Math.max(...every), band, unit: "time (s)" };
  if (course) {
    const names = [...("real" in course.p ? ["real"] : []), ...beside.filter((e) => e in course.p)];
    const lines = names.map((name, k) => ({ name, x: course.times_sec, y: course.p[name], ...style(k) }));
    const windows = course.window_sec ? `, windows of ${tick(course.window_sec)} s` : "";
    figures.push(chart(`probability${windows}`, lines, { ...span, low: 0, high: 1, height: 170 }));
  }
  for (const [name, s] of Object.entries(streams)) {
    const lines = Object.entries(s.values).map(([component, y], k) => ({ name: component, x: s.times_sec, y, ...style(k) }));
    const of = s.of > lines.length ? `, ${lines.length} of ${s.of}` : "";
    figures.push(chart(`${name}${s.unit ? ` (${s.unit})` : ""}${of}`, lines, { ...span, height: 150 }));
  }
  place.replaceChildren(...figures.filter((f) => f));
}

if ($("confusions")) {
  $("confusions").replaceChildren(...Object.entries(data.confusions).map(([task, { names, counts }]) => matrix(task, names, counts, false)).filter((m) => m));
}
drawLearning();
for (const place of document.querySelectorAll(".course")) drawExample(place);
