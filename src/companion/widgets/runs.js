// Recorded runs, step by step. See runs.py for what a record holds; shares are in thousandths.
const REST = "rest"; // what the record's behaviours leave of the probability
const PLOT = [44, 218, 300, 180]; // left, bottom, width, height of a plot in its picture
const ROW = 38;

const asPercent = (thousandths) => percent(thousandths / 1000);

// Share of each behaviour, and of the rest, in a run at its step of that index.
function shares(record, condition, start, index) {
  const run = record.runs[condition].shares[record.starts.indexOf(start)];
  const known = record.behaviours.map(([key], i) => [key, run[i][index]]);
  const total = known.reduce((sum, [, share]) => sum + share, 0);
  return Object.fromEntries([...known, [REST, Math.max(1000 - total, 0)]]); // rounded, 1000 and more
}

const all = (record) => [...record.behaviours, [REST, "anything else"]];

function largest(found) {
  return Object.keys(found).reduce((a, b) => (found[b] > found[a] ? b : a));
}

function drawBars(svg, record, found, paid) {
  const [left, width] = [150, 150];
  const names = Object.fromEntries(all(record));
  const top = largest(found);
  node(svg, "text", { x: 0, y: 18, class: "title" }, `Most probable: ${names[top]}, ${asPercent(found[top])}`);
  all(record).forEach(([key, name], i) => {
    const y = 40 + i * ROW;
    const star = key === paid ? " ★" : "";
    node(svg, "text", { x: left - 8, y: y + 17, "text-anchor": "end" }, name + star);
    node(svg, "line", { x1: left, x2: left, y1: y - 4, y2: y + ROW - 8, class: "grid" });
    node(svg, "rect", { x: left, y, width: (found[key] / 1000) * width, height: 24, class: `fill k${i}` });
    const x = left + (found[key] / 1000) * width + 6;
    node(svg, "text", { x, y: y + 17 }, asPercent(found[key]));
  });
  if (paid) node(svg, "text", { x: 0, y: 252, class: "note" }, "★ gets the bonus");
}

function drawCurves(svg, record, condition, start, index) {
  const [left, bottom, width, height] = PLOT;
  const steps = record.steps;
  const last = steps.length - 1;
  const x = (step) => left + (step / steps[last]) * width;
  const y = (share) => bottom - (share / 1000) * height;
  const [first, end] = [0, last].map((i) => shares(record, condition, start, i));
  const told = record.runs[condition].paid || largest(end);
  const names = Object.fromEntries(all(record));
  const title = `${names[told]}: from ${asPercent(first[told])} to ${asPercent(end[told])}`;
  node(svg, "text", { x: 0, y: 18, class: "title" }, title[0].toUpperCase() + title.slice(1));
  for (const [share, mark] of [[0, "0"], [500, "½"], [1000, "1"]]) {
    node(svg, "line", { x1: left, x2: left + width, y1: y(share), y2: y(share), class: "grid" });
    node(svg, "text", { x: left - 8, y: y(share) + 5, "text-anchor": "end" }, mark);
  }
  for (const step of [steps[0], steps[Math.round(last / 2)], steps[last]]) {
    node(svg, "text", { x: x(step), y: bottom + 20, "text-anchor": "middle" }, step);
  }
  node(svg, "text", { x: left, y: bottom + 44, class: "note" }, "step of training; colours as in the bars");
  all(record).forEach(([key], i) => {
    const points = steps.map((step, k) =>
      `${x(step).toFixed(1)},${y(shares(record, condition, start, k)[key]).toFixed(1)}`);
    node(svg, "polyline", { points: points.join(" "), class: `line k${i}` });
  });
  const now = x(steps[index]);
  node(svg, "line", { x1: now, x2: now, y1: bottom, y2: bottom - height, class: "now" });
}

// The most probable texts of the first and the last step, with both probabilities.
function fillTable(table, record, condition, start) {
  const names = Object.fromEntries(record.behaviours);
  const ends = [record.steps[0], record.steps.at(-1)].map((step) => `step ${step}`);
  const [head, body] = [table.createTHead(), table.createTBody()];
  const titles = head.insertRow();
  for (const title of ["it writes", "which is", ...ends]) element(titles, "th", title, { scope: "col" });
  for (const [text, ...both] of record.runs[condition].texts[record.starts.indexOf(start)]) {
    const [written, kind] = record.texts[text];
    const row = body.insertRow();
    element(element(row, "th", "", { scope: "row" }), "code", written);
    for (const value of [names[kind] ?? "anything else", ...both.map(asPercent)]) element(row, "td", value);
  }
}

function render({ model, el }) {
  const id = `runs-${Math.random().toString(36).slice(2)}`;
  const record = model.get("record");
  const names = Object.keys(record.runs);
  const root = document.createElement("div");
  root.className = "explorer runs";
  const end = (list) => ({ min: 0, max: list.length - 1, step: 1 });
  const condition = chooser(root, `${id}-c`, "Run", names.map((name) => [name, name]));
  const start = slider(root, `${id}-s`, "Supervised start", end(record.starts));
  const step = slider(root, `${id}-t`, "Step of training", end(record.steps));
  const [bars, curves, verdict] = stage(root, 270);
  const caption = element(root, "p", "Asked ", { id: `${id}-p` });
  element(caption, "code", record.prompt);
  caption.append(" it most probably writes, before and after this training:");
  const box = element(root, "div", "", {
    class: "wide", tabindex: 0, role: "region", "aria-labelledby": caption.id,
  });
  el.append(root);

  function draw() {
    const [c, s, t] = ["condition", "start", "step"].map((name) => model.get(name));
    const index = record.steps.indexOf(t);
    condition.input.value = c;
    turn(start, record.starts.indexOf(s), String(s));
    turn(step, index, String(t));
    const found = shares(record, c, s, index);
    const told = all(record).map(([key, name]) => `${name} ${asPercent(found[key])}`).join(", ");
    bars.replaceChildren();
    drawBars(bars, record, found, record.runs[c].paid);
    bars.setAttribute("aria-label", `Bars: ${told}.`);
    curves.replaceChildren();
    drawCurves(curves, record, c, s, index);
    curves.setAttribute("aria-label", `Curves of the same shares against the step, here at ${t}.`);
    box.replaceChildren();
    fillTable(element(box, "table"), record, c, s);
    verdict.textContent = `Step ${t} of ${record.steps.at(-1)}: ${told}.`;
  }

  listen(model, condition, "condition", String, draw);
  listen(model, start, "start", (position) => record.starts[position], draw);
  listen(model, step, "step", (position) => record.steps[position], draw);
  draw();
}

function address(model) {
  const { runs, starts, steps } = model.get("record");
  const oneOf = (known) => (text) => known.find((value) => String(value) === text);
  return {
    name: "runs",
    readers: { condition: oneOf(Object.keys(runs)), start: oneOf(starts), step: oneOf(steps) },
  };
}

export { shares };
export default { render, address };
