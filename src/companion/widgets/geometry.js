// A reward is a direction in a plane, a policy a point of a polygon. See geometry.py for the two
// problems. At temperature 0 tied actions share equally.
const COLOURS = ["#4a90c2", "#d55e00", "#1f9e7a", "#b266b2"];
const TEMPERATURES = decades(-2, 0);
const TIE = 1e-9;
const CENTRE = [185, 160];
const RING = 112;
const PLOT = [44, 250, 310, 190]; // left, bottom, width, height
const ARMS = [90, 210, 330];
const NAMES = {
  arms: ["arm 1", "arm 2", "arm 3"],
  states: ["stay, stay", "go, stay", "go, go", "stay, go"],
};

const radians = (degrees) => (degrees * Math.PI) / 180;
const direction = (degrees) => [Math.cos(radians(degrees)), Math.sin(radians(degrees))];
const dot = (u, v) => u[0] * v[0] + u[1] * v[1];

function choose(values, temperature) {
  const best = Math.max(...values);
  const weights = values.map((v) =>
    temperature === 0 ? Number(v >= best - TIE) : Math.exp((v - best) / temperature));
  const total = weights.reduce((sum, w) => sum + w);
  return weights.map((w) => w / total);
}

function soften(values, temperature) {
  const best = Math.max(...values);
  if (temperature === 0) return best;
  const spread = values.reduce((sum, v) => sum + Math.exp((v - best) / temperature), 0);
  return best + temperature * Math.log(spread);
}

// Optimal (stay, go) action values in both states, by soft value iteration.
function actionValues(reward, temperature, discount) {
  let values = [0, 0];
  for (;;) {
    const q = [0, 1].map((s) => [discount * values[s], reward[s] + discount * values[1 - s]]);
    const next = q.map((row) => soften(row, temperature));
    const change = Math.max(...next.map((v, s) => Math.abs(v - values[s])));
    values = next;
    if (change < 1e-13) return q;
  }
}

// The policy as rows, one for each state (the arms have one state).
function policy(problem, angle, temperature, discount) {
  const reward = direction(angle);
  if (problem === "arms") {
    return [choose(ARMS.map((corner) => dot(reward, direction(corner))), temperature)];
  }
  return actionValues(reward, temperature, discount).map((q) => choose(q, temperature));
}

// The point of the polygon that a policy is.
function point(problem, rows, discount) {
  if (problem === "arms") {
    return [0, 1].map((k) => rows[0].reduce((sum, p, i) => sum + p * direction(ARMS[i])[k], 0));
  }
  const [first, second] = rows.map((row) => row[1]);
  // Discounted time in state 1: t = 1/2 + γ (t (1 − first) + (total − t) second).
  const total = 1 / (1 - discount);
  const time = (0.5 + discount * total * second) / (1 - discount * (1 - first - second));
  return [time * first, (total - time) * second];
}

function corners(problem, discount) {
  if (problem === "arms") return ARMS.map(direction);
  const rows = [[0, 0], [1, 0], [1, 1], [0, 1]]; // counterclockwise
  return rows.map((go) => point(problem, go.map((g) => [1 - g, g]), discount));
}

// Angle at which corner i gives way to the next one: the outward normal of the edge between them.
function walls(problem, discount) {
  const all = corners(problem, discount);
  return all.map((from, i) => {
    const to = all[(i + 1) % all.length];
    const normal = Math.atan2(from[0] - to[0], to[1] - from[1]);
    return ((normal * 180) / Math.PI + 360) % 360;
  });
}

// Largest total variation, over the states, between two policies.
function moved(before, after) {
  return Math.max(...before.map((row, s) =>
    row.reduce((sum, p, a) => sum + Math.abs(p - after[s][a]), 0) / 2));
}

function arc(from, to) {
  const [start, end] = [from, to].map((a) => onRing(a, RING));
  const large = (to - from + 360) % 360 > 180 ? 1 : 0;
  return `M ${start} A ${RING} ${RING} 0 ${large} 0 ${end}`;
}

function onRing(angle, radius) {
  const [x, y] = direction(angle);
  return [CENTRE[0] + radius * x, CENTRE[1] - radius * y].map((c) => Number(c.toFixed(2)));
}

function drawPolygon(svg, problem, angle, temperature, discount) {
  const all = corners(problem, discount);
  const limits = walls(problem, discount);
  const middle = [0, 1].map((k) => {
    const coordinates = all.map((c) => c[k]);
    return (Math.min(...coordinates) + Math.max(...coordinates)) / 2;
  });
  const reach = Math.max(...all.map((c) => Math.hypot(c[0] - middle[0], c[1] - middle[1])));
  const place = (p) => p.map((c, k) =>
    (CENTRE[k] + (k === 0 ? 1 : -1) * ((c - middle[k]) / reach) * 0.66 * RING).toFixed(1));
  all.forEach((_, i) => {
    const [from, to] = [limits.at(i - 1), limits[i]];
    node(svg, "path", { d: arc(from, to), class: "ring", stroke: COLOURS[i] });
    const [x, y] = onRing(from + ((to - from + 360) % 360) / 2, RING + 16);
    const anchor = Math.abs(x - CENTRE[0]) < 40 ? "middle" : x < CENTRE[0] ? "end" : "start";
    const down = Math.abs(x - CENTRE[0]) < 40 && y > CENTRE[1] ? 14 : 5;
    node(svg, "text", { x, y: y + down, "text-anchor": anchor }, NAMES[problem][i]);
  });
  node(svg, "polygon", { points: all.map(place).join(" "), class: "polygon" });
  if (temperature > 0) {
    const orbit = Array.from({ length: 121 }, (_, k) =>
      place(point(problem, policy(problem, 3 * k, temperature, discount), discount)));
    node(svg, "polyline", { points: orbit.join(" "), class: "orbit" });
  }
  all.forEach((corner, i) => {
    const [cx, cy] = place(corner);
    node(svg, "circle", { cx, cy, r: 6, fill: COLOURS[i] });
  });
  const tip = onRing(angle, RING - 8);
  const line = { x1: CENTRE[0], y1: CENTRE[1], x2: tip[0], y2: tip[1] };
  node(svg, "line", { ...line, class: "reward" });
  const head = [onRing(angle, RING - 4), onRing(angle - 6, RING - 18), onRing(angle + 6, RING - 18)];
  node(svg, "polygon", { points: head.join(" "), class: "tip" });
  const here = point(problem, policy(problem, angle, temperature, discount), discount);
  const [cx, cy] = place(here);
  node(svg, "circle", { cx, cy, r: 8, class: "here" });
}

// A finger's width of nothing to see over the arrow's head, by which it is turned. It outlives each
// drawing: a handle that is replaced while it is held would be lost.
function holdArrow(svg, turned) {
  const handle = node(svg, "circle", { r: 24, class: "handle" });
  handle.addEventListener("pointerdown", (event) => handle.setPointerCapture(event.pointerId));
  handle.addEventListener("pointermove", (event) => {
    if (handle.hasPointerCapture(event.pointerId)) turned(angleAt(svg, event));
  });
  return (angle) => {
    const [cx, cy] = onRing(angle, RING - 8);
    handle.setAttribute("cx", cx);
    handle.setAttribute("cy", cy);
  };
}

// Whole degrees, counterclockwise from the right, at which a pointer stands about the centre.
function angleAt(svg, event) {
  const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  const degrees = (Math.atan2(CENTRE[1] - y, x - CENTRE[0]) * 180) / Math.PI;
  return (Math.round(degrees) + 360) % 360;
}

function drawShares(svg, problem, angle, temperature, discount) {
  const [left, bottom, width, height] = PLOT;
  const x = (a) => left + (a / 360) * width;
  const y = (p) => bottom - p * height;
  const title = problem === "arms" ? "Share of each arm" : "Share of going";
  node(svg, "text", { x: left, y: 22, class: "title" }, title);
  for (const [share, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    node(svg, "line", { x1: left, x2: left + width, y1: y(share), y2: y(share), class: "grid" });
    node(svg, "text", { x: left - 8, y: y(share) + 5, "text-anchor": "end" }, mark);
  }
  for (const degrees of [0, 90, 180, 270, 360]) {
    node(svg, "text", { x: x(degrees), y: bottom + 22, "text-anchor": "middle" }, `${degrees}°`);
  }
  node(svg, "text", { x: left, y: bottom + 46, class: "note" }, "direction of the reward");
  const rows = Array.from({ length: 361 }, (_, a) => policy(problem, a, temperature, discount));
  const series = problem === "arms"
    ? NAMES.arms.map((name, i) => [name, COLOURS[i], rows.map((r) => r[0][i])])
    : [["in state 1", COLOURS[1], rows.map((r) => r[0][1])],
       ["in state 2", COLOURS[3], rows.map((r) => r[1][1])]];
  series.forEach(([name, stroke, shares], i) => {
    const points = shares.map((p, a) => `${x(a).toFixed(1)},${y(p).toFixed(1)}`).join(" ");
    node(svg, "polyline", { points, class: "share", stroke });
    const right = left + width - 100 * (series.length - 1 - i);
    node(svg, "text", { x: right, y: 44, "text-anchor": "end" }, name);
    node(svg, "circle", { cx: right - 5.1 * name.length - 24, cy: 39, r: 6, fill: stroke });
  });
  node(svg, "line", { x1: x(angle), x2: x(angle), y1: bottom, y2: bottom - height, class: "now" });
}

function words(problem, rows) {
  const percent = (p) => `${Math.round(100 * p)} %`;
  if (problem === "arms") return rows[0].map((p, i) => `arm ${i + 1}: ${percent(p)}`).join(", ");
  return rows.map((row, s) => `going in state ${s + 1}: ${percent(row[1])}`).join(", ");
}

function render({ model, el }) {
  const id = `geometry-${Math.random().toString(36).slice(2)}`;
  const problem = model.get("problem");
  const root = document.createElement("div");
  root.className = "explorer geometry";
  const inputs = {
    angle: slider(root, `${id}-a`, "Direction of the reward", { min: 0, max: 360, step: 1 }),
    temperature: slider(root, `${id}-t`, "Temperature", TEMPERATURES.attributes),
  };
  if (problem === "states") {
    inputs.discount = slider(root, `${id}-g`, "Discount", { min: 0, max: 0.9, step: 0.05 });
  }
  const [polygon, shares, verdict] = stage(root, 310);
  el.append(root);
  const drawing = node(polygon, "g");
  const holdAt = holdArrow(polygon, (angle) => {
    model.set("angle", angle);
    model.save_changes();
  });

  function draw() {
    const [a, t, g] = ["angle", "temperature", "discount"].map((name) => model.get(name));
    turn(inputs.angle, a, `${a}°`);
    turn(inputs.temperature, TEMPERATURES.position(t), short(t));
    if (inputs.discount) turn(inputs.discount, g, short(g));
    const here = policy(problem, a, t, g);
    const step = moved(here, policy(problem, a + 1, t, g));
    drawing.replaceChildren();
    drawPolygon(drawing, problem, a, t, g);
    holdAt(a);
    polygon.setAttribute("aria-label", `Polygon of policies; ${words(problem, here)}.`);
    shares.replaceChildren();
    drawShares(shares, problem, a, t, g);
    shares.setAttribute("aria-label", `Shares against the reward's direction; at ${a} degrees ` +
      `${words(problem, here)}.`);
    verdict.dataset.step = step;
    verdict.textContent = `${words(problem, here)}. One degree further, the policy moves by ` +
      `${step.toFixed(3)} of at most 1.`;
  }

  listen(model, inputs.angle, "angle", Number, draw);
  listen(model, inputs.temperature, "temperature", (position) => TEMPERATURES.value(Number(position)), draw);
  listen(model, inputs.discount, "discount", Number, draw);
  draw();
}

function address(model) {
  const readers = { angle: whole(0, 360), temperature: between(0, 1) };
  const states = model.get("problem") === "states";
  return { name: "geometry", readers: states ? { ...readers, discount: between(0, 0.9) } : readers };
}

export { corners, point, policy, walls };
export default { render, address };
