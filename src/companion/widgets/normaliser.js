// Tied answers, a bonus for one, and a trainer that divides advantages: where its policy comes to
// rest. See normaliser.py for the setting; log-odds are those of the favoured answer.
const GUARD = 1e-4;
const BONUSES = decades(-7, 0);
const BETAS = decades(-2, 0.6);
const FAR = 60; // log-odds at which nothing that can be sampled is left of the other answers
const CELLS = 2000;
const PLOT = [54, 218, 300, 180]; // left, bottom, width, height of a plot in its picture
const LOWEST = -8; // power of ten at which the plot of moves begins

const logOdds = (share) => Math.log(share / (1 - share));
const logistic = (x) => 1 / (1 + Math.exp(-x));

// Advantage of the favoured answer over another tied one, at a policy with log-odds x.
function lead(estimator, x, { bonus, hopeless }) {
  const odds = Math.exp(-Math.abs(x));
  const varies = odds / (1 + odds) ** 2;
  const tied = 1 - hopeless;
  const divided = (deviation) => bonus / (deviation + GUARD);
  const own = divided(bonus * Math.sqrt(varies));
  if (estimator === "group" || estimator === "each") return own;
  if (estimator === "batch") {
    const mean = 1 + bonus * logistic(x);
    return divided(Math.sqrt(tied * (bonus ** 2 * varies + hopeless * mean ** 2)));
  }
  if (estimator === "decoupled") return own / (own * Math.sqrt(tied * varies) + GUARD);
  return bonus; // nothing is divided, or the penalty with the reward
}

// How far the log-odds have moved at the rest point that training meets first.
function travel(estimator, settings) {
  const start = logOdds(settings.share);
  const drift = (d) => lead(estimator, start + d, settings) / settings.beta - d;
  if (settings.bonus === 0) return 0;
  const cell = (FAR - start) / CELLS;
  let i = 1;
  while (i <= CELLS && drift(i * cell) > 0) i += 1;
  if (i > CELLS) return lead(estimator, Infinity, settings) / settings.beta; // the pull is constant
  let [low, high] = [(i - 1) * cell, i * cell];
  for (let k = 0; k < 80; k++) {
    const middle = (low + high) / 2;
    if (drift(middle) > 0) low = middle;
    else high = middle;
  }
  return high;
}

// Where the policy rests, how far that is, what the penalty promises, and both temperatures.
function rest(estimator, settings) {
  const { bonus, beta, share } = settings;
  const start = logOdds(share);
  const far = travel(estimator, settings);
  const grown = Math.expm1(Math.min(far, FAR)); // as a difference of shares a small move would vanish
  const moved = (share * (1 - share) * grown) / (1 + share * grown);
  const promised = Math.tanh(bonus / (4 * beta));
  const temperature = (x) =>
    bonus === 0 ? NaN : (beta * bonus) / lead(estimator, x, settings);
  return {
    share: Math.min(share + moved, 1), // rounding may add a trifle
    moved,
    promised,
    gain: moved / promised,
    before: temperature(start),
    after: temperature(start + far),
  };
}

function drawShares(svg, share, found) {
  const [left, bottom, width, height] = PLOT;
  node(svg, "text", { x: 4, y: 18, class: "title" }, `It rests with ${percent(found.share)} on one answer`);
  for (const [p, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    const y = bottom - p * height;
    node(svg, "line", { x1: left, x2: left + width, y1: y, y2: y, class: "grid" });
    node(svg, "text", { x: left - 8, y: y + 5, "text-anchor": "end" }, mark);
  }
  const bars = [
    ["the favoured answer", "bonus", share, found.share],
    ["all other tied ones", "other", 1 - share, 1 - found.share],
  ];
  bars.forEach(([name, kind, before, after], i) => {
    const x = left + (i + 0.18) * (width / 2);
    const bar = (p) => ({ x, width: 0.32 * width, y: bottom - p * height, height: p * height });
    node(svg, "rect", { ...bar(after), class: kind });
    node(svg, "rect", { ...bar(before), class: "before" });
    node(svg, "text", { x: x + 0.16 * width, y: bottom + 20, "text-anchor": "middle" }, name);
  });
  node(svg, "text", { x: left, y: bottom + 44, class: "note" }, "dashed: before training");
}

function drawMoves(svg, estimator, settings, found) {
  const [left, bottom, width, height] = PLOT;
  const lowest = BONUSES.attributes.min + BONUSES.attributes.step;
  const x = (e) => left + (1 - Math.log10(e) / lowest) * width;
  const y = (d) => bottom - Math.max(1 - Math.log10(d) / LOWEST, 0) * height;
  node(svg, "text", { x: 4, y: 18, class: "title" }, headline(found));
  for (const [power, mark] of [[-8, "10⁻⁸"], [-6, "10⁻⁶"], [-4, "10⁻⁴"], [-2, "0.01"], [0, "1"]]) {
    const at = y(10 ** power);
    node(svg, "line", { x1: left, x2: left + width, y1: at, y2: at, class: "grid" });
    node(svg, "text", { x: left - 8, y: at + 5, "text-anchor": "end" }, mark);
  }
  for (const [power, mark] of [[-6, "10⁻⁶"], [-4, "10⁻⁴"], [-2, "0.01"], [0, "1"]]) {
    node(svg, "text", { x: x(10 ** power), y: bottom + 20, "text-anchor": "middle" }, mark);
  }
  node(svg, "text", { x: left, y: bottom + 44, class: "note" }, "bonus ε; thick: moved, dotted: promised");
  const bonuses = Array.from({ length: 71 }, (_, k) => 10 ** (lowest * (1 - k / 70)));
  const path = (value) =>
    bonuses.map((bonus) => `${x(bonus).toFixed(1)},${y(value({ ...settings, bonus })).toFixed(1)}`).join(" ");
  const promise = path(({ bonus, beta }) => Math.tanh(bonus / (4 * beta)));
  node(svg, "polyline", { points: promise, class: "ceiling" });
  node(svg, "polyline", { points: path((at) => rest(estimator, at).moved), class: "curve" });
  if (settings.bonus === 0) return;
  const here = { x1: x(settings.bonus), x2: x(settings.bonus) };
  node(svg, "line", { ...here, y1: y(found.promised), y2: y(found.moved), class: "gap" });
  node(svg, "circle", { cx: here.x1, cy: y(found.moved), r: 7, class: "here" });
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

function told(x) {
  if (x === 0 || x >= 1e-3) return short(x);
  const [digits, power] = x.toExponential(1).split("e-");
  return `${Number(digits)} × 10⁻${[...power].map((digit) => SUPERSCRIPTS[digit]).join("")}`;
}

function headline({ gain }) {
  if (Number.isNaN(gain)) return "Without a bonus nothing moves";
  if (gain <= 1) return "The promise is kept";
  return `${Number(gain.toPrecision(2)).toLocaleString("en")} times as far as promised`;
}

function words(label, settings, found) {
  const { bonus, beta, share } = settings;
  if (bonus === 0) return "Without a bonus nothing tells the tied answers apart, and the policy stays where it is.";
  return `Divided by ${label}, a bonus of ${told(bonus)} takes the favoured answer from ` +
    `${percent(share)} to ${percent(found.share)}. That is a move of ${told(found.moved)}, where a KL ` +
    `weight of ${told(beta)} promises at most ${told(found.promised)}. Effective temperature: ` +
    `${told(found.before)} at the start, ${told(found.after)} at rest.`;
}

function render({ model, el }) {
  const id = `normaliser-${Math.random().toString(36).slice(2)}`;
  const labels = Object.fromEntries(model.get("estimators"));
  const root = document.createElement("div");
  root.className = "explorer";
  const scales = {
    bonus: BONUSES,
    beta: BETAS,
    share: { attributes: { min: 0.02, max: 0.98, step: 0.01 }, value: Number, position: Number },
    hopeless: { attributes: { min: 0, max: 0.9, step: 0.1 }, value: Number, position: Number },
  };
  const said = { bonus: told, beta: short, share: percent, hopeless: percent };
  const rows = {
    estimator: chooser(root, `${id}-d`, "Divided by", model.get("estimators")),
    bonus: slider(root, `${id}-e`, "Bonus ε for one answer", BONUSES.attributes),
    beta: slider(root, `${id}-b`, "KL weight β", { ...BETAS.attributes, min: -2 }),
    share: slider(root, `${id}-s`, "Its share at the start", scales.share.attributes),
    hopeless: slider(root, `${id}-h`, "Prompts that all fail", scales.hopeless.attributes),
  };
  const [shares, moves, verdict] = stage(root, 270);
  el.append(root);

  function draw() {
    const estimator = model.get("estimator");
    const settings = Object.fromEntries(Object.keys(scales).map((name) => [name, model.get(name)]));
    rows.estimator.input.value = estimator;
    for (const [name, value] of Object.entries(settings)) {
      turn(rows[name], scales[name].position(value), said[name](value));
    }
    const found = rest(estimator, settings);
    shares.replaceChildren();
    drawShares(shares, settings.share, found);
    shares.setAttribute("aria-label", `Bars: the favoured answer goes from ` +
      `${percent(settings.share)} to ${percent(found.share)}.`);
    moves.replaceChildren();
    drawMoves(moves, estimator, settings, found);
    moves.setAttribute("aria-label", `Curves of the distance moved and promised against the bonus. ` +
      `Here: ${headline(found)}.`);
    verdict.dataset.moved = found.moved;
    verdict.textContent = words(labels[estimator], settings, found);
  }

  listen(model, rows.estimator, "estimator", String, draw);
  for (const [name, { value }] of Object.entries(scales)) {
    listen(model, rows[name], name, (position) => value(Number(position)), draw);
  }
  draw();
}

function address(model) {
  const keys = model.get("estimators").map(([key]) => key);
  return {
    name: "normaliser",
    readers: {
      estimator: (text) => keys.find((key) => key === text),
      bonus: between(0, 1),
      beta: between(0.01, 4),
      share: between(0.02, 0.98),
      hopeless: between(0, 0.9),
    },
  };
}

export { rest };
export default { render, address };
