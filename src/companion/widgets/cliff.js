// The policy over m tied answers when the first gets a bonus, with entropy weight β.
const LOWEST = -4; // power of ten of the bonus next to 0
const SCALES = { bonus: decades(LOWEST, 0), temperature: decades(-3, 0) };
const PANEL = [44, 218, 300, 180]; // left, bottom, width, height of a plot in its picture

function boosted(m, bonus, beta) {
  if (bonus === 0) return 1 / m;
  if (beta === 0) return 1;
  return 1 / (1 + (m - 1) * Math.exp(-bonus / beta));
}

function distance(m, bonus, beta) {
  return boosted(m, bonus, beta) - 1 / m;
}

function drawPolicy(svg, m, p) {
  const [left, bottom, width, height] = PANEL;
  const slot = width / m;
  node(svg, "text", { x: left, y: 18, class: "title" }, "Policy over the tied answers");
  for (const [share, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    const y = bottom - share * height;
    node(svg, "line", { x1: left, x2: left + width, y1: y, y2: y, class: "grid" });
    node(svg, "text", { x: left - 8, y: y + 5, "text-anchor": "end" }, mark);
  }
  for (let i = 0; i < m; i++) {
    const share = i === 0 ? p : (1 - p) / (m - 1);
    const x = left + i * slot + slot * 0.15;
    const bar = { x, width: slot * 0.7, y: bottom - share * height, height: share * height };
    node(svg, "rect", { ...bar, class: i === 0 ? "bonus" : "other" });
    const before = { x, width: slot * 0.7, y: bottom - height / m, height: height / m };
    node(svg, "rect", { ...before, class: "before" });
    node(svg, "text", { x: x + slot * 0.35, y: bottom + 20, "text-anchor": "middle" }, `a${i + 1}`);
  }
  node(svg, "text", { x: left, y: bottom + 42, class: "note" }, "dashed: the tie, before the bonus");
}

function drawCliff(svg, m, bonus, beta) {
  const [left, bottom, width, height] = PANEL;
  const x = (e) => left + ((Math.log10(e) - LOWEST) / -LOWEST) * width;
  const y = (d) => bottom - d * height;
  node(svg, "text", { x: left, y: 18, class: "title" }, "Distance moved (total variation)");
  for (const [d, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    node(svg, "line", { x1: left, x2: left + width, y1: y(d), y2: y(d), class: "grid" });
    node(svg, "text", { x: left - 8, y: y(d) + 5, "text-anchor": "end" }, mark);
  }
  for (const power of [-4, -3, -2, -1, 0]) {
    const e = 10 ** power;
    node(svg, "text", { x: x(e), y: bottom + 20, "text-anchor": "middle" }, short(e));
  }
  node(svg, "text", { x: left, y: bottom + 42, class: "note" }, "bonus ε; grey: no entropy, (m−1)/m");
  const ceiling = { x1: left, x2: left + width, y1: y(1 - 1 / m), y2: y(1 - 1 / m) };
  node(svg, "line", { ...ceiling, class: "ceiling" });
  const path = [];
  for (let k = 0; k <= 120; k++) {
    const e = 10 ** (LOWEST * (1 - k / 120));
    path.push(`${x(e).toFixed(1)},${y(distance(m, e, beta)).toFixed(1)}`);
  }
  node(svg, "polyline", { points: path.join(" "), class: "curve" });
  const e = Math.max(bonus, 10 ** LOWEST);
  node(svg, "circle", { cx: x(e), cy: y(distance(m, bonus, beta)), r: 7, class: "here" });
}

function render({ model, el }) {
  const id = `cliff-${Math.random().toString(36).slice(2)}`;
  const root = document.createElement("div");
  root.className = "explorer";
  const answers = slider(root, `${id}-m`, "Tied answers m", { min: 2, max: 10, step: 1 });
  const bonus = slider(root, `${id}-e`, "Bonus ε for the first", SCALES.bonus.attributes);
  const temperature = slider(root, `${id}-b`, "Temperature β", SCALES.temperature.attributes);
  const [policy, cliff, verdict] = stage(root, 270);
  el.append(root);

  function draw() {
    const [m, e, b] = ["answers", "bonus", "temperature"].map((name) => model.get(name));
    turn(answers, m, String(m));
    turn(bonus, SCALES.bonus.position(e), short(e));
    turn(temperature, SCALES.temperature.position(b), short(b));
    const moved = distance(m, e, b);
    const share = boosted(m, e, b);
    policy.replaceChildren();
    drawPolicy(policy, m, share);
    policy.setAttribute("aria-label", `Bars: the first of ${m} answers gets ${share.toFixed(3)}.`);
    cliff.replaceChildren();
    drawCliff(cliff, m, e, b);
    cliff.setAttribute("aria-label", `Curve of distance against bonus, ${moved.toFixed(3)} here.`);
    verdict.dataset.distance = moved;
    verdict.textContent =
      `The reward moved by ${short(e)}, so the value by at most ${short(e)}; ` +
      `the policy moved by ${moved.toFixed(3)} of at most 1.`;
  }

  listen(model, answers, "answers", Number, draw);
  listen(model, bonus, "bonus", (position) => SCALES.bonus.value(Number(position)), draw);
  listen(model, temperature, "temperature", (position) => SCALES.temperature.value(Number(position)), draw);
  draw();
}

function address() {
  return {
    name: "cliff",
    readers: { answers: whole(2, 10), bonus: between(0, 1), temperature: between(0, 1) },
  };
}

export { distance };
export default { render, address };
