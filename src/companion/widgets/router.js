// Two judges of one request, blended by a router: what each act earns, and what the policy does.
const ACTS = ["refuse", "warn", "help"];
const DOING = { refuse: "refusing", warn: "warning", help: "helping" };
const SCALES = {
  weight: { attributes: { min: 0, max: 1, step: 0.01 }, value: Number, position: Number },
  slip: mirrored(-4, -0.7, 0.1),
  warning: { attributes: { min: 0, max: 1, step: 0.05 }, value: Number, position: Number },
  temperature: decades(-3, 0),
};
const TOP = 1.2; // of the rewards' axis: a weight of 1 and the largest slip
const PLOT = [44, 218, 300, 180]; // left, bottom, width, height of a plot in its picture
const TIED = 1e-9; // rounding; rewards that do not tie differ by more on every slider

function rewards({ weight, slip, warning }) {
  return [weight * (1 + slip), warning, 1 - weight];
}

function shares(earned, temperature) {
  const best = Math.max(...earned);
  const odds = earned.map((r) =>
    temperature === 0 ? Number(best - r <= TIED) : Math.exp((r - best) / temperature));
  const sum = odds.reduce((a, b) => a + b);
  return odds.map((o) => o / sum);
}

// What the acts earn, how often the policy takes each, what it earns, and which acts are best.
function blended(settings) {
  const earned = rewards(settings);
  const policy = shares(earned, settings.temperature);
  return {
    earned,
    policy,
    value: earned.reduce((sum, r, i) => sum + r * policy[i], 0),
    best: ACTS.filter((_, i) => Math.max(...earned) - earned[i] <= TIED),
  };
}

// Weights at which two acts earn the same: between them one act is best.
function crossings({ slip, warning }) {
  const found = [1 / (2 + slip), warning / (1 + slip), 1 - warning];
  return [...new Set([0, ...found.filter((w) => w > 0 && w < 1), 1])].sort((a, b) => a - b);
}

function frame(svg, title, levels, top) {
  const [left, bottom, width, height] = PLOT;
  const x = (w) => left + w * width;
  const y = (level) => bottom - (level / top) * height;
  node(svg, "text", { x: 4, y: 18, class: "title" }, title);
  for (const [level, mark] of levels) {
    node(svg, "line", { x1: left, x2: left + width, y1: y(level), y2: y(level), class: "grid" });
    node(svg, "text", { x: left - 8, y: y(level) + 5, "text-anchor": "end" }, mark);
  }
  for (const [w, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    node(svg, "text", { x: x(w), y: bottom + 20, "text-anchor": "middle" }, mark);
  }
  return { x, y, line: (values) => values.map(([w, v]) => `${x(w).toFixed(1)},${y(v).toFixed(1)}`).join(" ") };
}

function drawRewards(svg, settings, found) {
  const { x, y, line } = frame(svg, "What each act earns", [[0, "0"], [0.5, "½"], [1, "1"]], TOP);
  const weights = crossings(settings);
  const at = (weight) => blended({ ...settings, weight });
  const even = Array.from({ length: 101 }, (_, k) => k / 100);
  const ends = settings.temperature === 0 ? weights : even;
  node(svg, "polyline", { points: line(ends.map((w) => [w, at(w).value])), class: "value" });
  ACTS.forEach((act, i) => {
    node(svg, "polyline", { points: line([0, 1].map((w) => [w, at(w).earned[i]])), class: `act ${act}` });
  });
  marks(svg, settings.weight, found.earned, x, y);
  const [left, bottom] = PLOT;
  node(svg, "text", { x: left, y: bottom + 44, class: "note" }, "weight of the safety judge; wide: the policy's value");
}

function drawPolicy(svg, settings, found) {
  const cold = settings.temperature === 0;
  const title = cold ? "What the policy does: it jumps" : "What the policy does: it slides";
  const { x, y, line } = frame(svg, title, [[0, "0"], [0.5, "½"], [1, "1"]], 1);
  const at = (weight) => blended({ ...settings, weight });
  const weights = crossings(settings);
  const even = Array.from({ length: 201 }, (_, k) => k / 200);
  ACTS.forEach((act, i) => {
    const share = (w) => at(w).policy[i];
    const pieces = cold
      ? weights.slice(1).map((end, k) => [weights[k], end]).map(([from, to]) => {
        const level = share((from + to) / 2);
        return [[from, level], [to, level]];
      })
      : [even.map((w) => [w, share(w)])];
    for (const piece of pieces) {
      node(svg, "polyline", { points: line(piece), class: `act ${act}` });
    }
  });
  marks(svg, settings.weight, found.policy, x, y);
  const [left, bottom] = PLOT;
  ACTS.forEach((act, i) => {
    node(svg, "line", { x1: left + 104 * i, x2: left + 104 * i + 24, y1: bottom + 40, y2: bottom + 40, class: `act ${act}` });
    node(svg, "text", { x: left + 104 * i + 30, y: bottom + 44, class: "note" }, act);
  });
}

function marks(svg, weight, values, x, y) {
  const [, bottom, , height] = PLOT;
  node(svg, "line", { x1: x(weight), x2: x(weight), y1: bottom, y2: bottom - height, class: "now" });
  values.forEach((value, i) => {
    node(svg, "circle", { cx: x(weight), cy: y(value), r: 6, class: `mark ${ACTS[i]}` });
  });
}

const listed = (words) =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;

function words(settings, { earned, policy, value, best }) {
  const { weight, temperature } = settings;
  const sees = weight === 0
    ? "The safety judge has no say."
    : `The blend sees ${short(weight)} of any slip of the safety judge.`;
  if (temperature > 0) {
    const does = ACTS.map((act, i) => `${act}s ${percent(policy[i])}`);
    return `The policy ${listed(does)} of the time, which earns ${value.toFixed(3)}. ${sees}`;
  }
  const names = best.map((act) => DOING[act]);
  if (best.length > 1) {
    return `A tie: ${listed(names)} earn the same, ${value.toFixed(3)}. The smallest slip of a judge ` +
      "with a say, or of the router, decides.";
  }
  const next = Math.max(...earned.filter((_, i) => ACTS[i] !== best[0]));
  return `The policy chooses ${names[0]}, which earns ${value.toFixed(3)} and leads by ` +
    `${(value - next).toFixed(3)}. ${sees}`;
}

function render({ model, el }) {
  const id = `router-${Math.random().toString(36).slice(2)}`;
  const root = document.createElement("div");
  root.className = "explorer router";
  const rows = {
    weight: slider(root, `${id}-w`, "Safety judge's weight", SCALES.weight.attributes),
    slip: slider(root, `${id}-s`, "Its slip on refusing", SCALES.slip.attributes),
    warning: slider(root, `${id}-v`, "What a warning earns", SCALES.warning.attributes),
    temperature: slider(root, `${id}-b`, "Temperature β", SCALES.temperature.attributes),
  };
  markZero(rows.slip);
  const [earned, policy, verdict] = stage(root, 270);
  el.append(root);

  function draw() {
    const settings = Object.fromEntries(Object.keys(SCALES).map((name) => [name, model.get(name)]));
    for (const [name, value] of Object.entries(settings)) {
      turn(rows[name], SCALES[name].position(value), signed(value));
    }
    const found = blended(settings);
    earned.replaceChildren();
    drawRewards(earned, settings, found);
    earned.setAttribute("aria-label", "Lines of what each act earns against the weight. Here: " +
      `${ACTS.map((act, i) => `${act} ${found.earned[i].toFixed(3)}`).join(", ")}.`);
    policy.replaceChildren();
    drawPolicy(policy, settings, found);
    policy.setAttribute("aria-label", "Shares of the acts against the weight. Here: " +
      `${ACTS.map((act, i) => `${act} ${percent(found.policy[i])}`).join(", ")}.`);
    verdict.textContent = words(settings, found);
  }

  for (const [name, { value }] of Object.entries(SCALES)) {
    listen(model, rows[name], name, (position) => value(Number(position)), draw);
  }
  draw();
}

function address() {
  return {
    name: "router",
    readers: {
      weight: between(0, 1),
      slip: between(-0.2, 0.2),
      warning: between(0, 1),
      temperature: between(0, 1),
    },
  };
}

export { blended, crossings };
export default { render, address };
