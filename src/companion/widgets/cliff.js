// The policy over m tied answers when the first gets a bonus, with entropy weight β.
const SCALES = { bonus: mirrored(-4, 0, 0.1), temperature: decades(-3, 0) };
const PLOT = [40, 204, 310, 164]; // left, height of 0, width, length of 1 in both pictures

function firstShare(m, bonus, beta) {
  if (beta === 0) return bonus === 0 ? 1 / m : Number(bonus > 0);
  return 1 / (1 + (m - 1) * Math.exp(-bonus / beta));
}

// What the bonus does: to the first answer's share, to the policy (total variation) and to its
// expected reward. The price is what that falls short of the best; chapter 8 bounds it by β times
// the logarithm of one over the share that the best answers have at the tie.
function effect(m, bonus, beta) {
  const share = firstShare(m, bonus, beta);
  const value = bonus * share;
  const best = bonus === 0 ? 1 : bonus > 0 ? 1 / m : (m - 1) / m; // share at the tie
  return {
    share,
    distance: Math.abs(share - 1 / m),
    value,
    price: Math.max(bonus, 0) - value,
    dearest: beta * Math.log(1 / best),
  };
}

function drawLevels(svg) {
  const [left, zero, width, length] = PLOT;
  for (const [level, mark] of [[0, "0"], [0.5, "½"], [1, "1"]]) {
    const y = zero - level * length;
    node(svg, "line", { x1: left, x2: left + width, y1: y, y2: y, class: "grid" });
    node(svg, "text", { x: left - 8, y: y + 5, "text-anchor": "end" }, mark);
  }
}

function drawPolicy(svg, m, p) {
  const [left, bottom, width, height] = PLOT;
  const slot = width / m;
  node(svg, "text", { x: 4, y: 18, class: "title" }, "Policy over the tied answers");
  drawLevels(svg);
  for (let i = 0; i < m; i++) {
    const share = i === 0 ? p : (1 - p) / (m - 1);
    const x = left + i * slot + slot * 0.15;
    const bar = { x, width: slot * 0.7, y: bottom - share * height, height: share * height };
    node(svg, "rect", { ...bar, class: i === 0 ? "bonus" : "other" });
    const before = { x, width: slot * 0.7, y: bottom - height / m, height: height / m };
    node(svg, "rect", { ...before, class: "before" });
    node(svg, "text", { x: x + slot * 0.35, y: bottom + 20, "text-anchor": "middle" }, `a${i + 1}`);
  }
  node(svg, "text", { x: left, y: bottom + 46, class: "note" }, "dashed: the tie, without a bonus");
}

// Bonuses from −1 to 1, dense where a cold policy turns.
function sampled(beta) {
  const steps = Array.from({ length: 121 }, (_, k) => k / 60 - 1);
  const turns = steps.map((step) => 12 * beta * step).filter((bonus) => Math.abs(bonus) < 1);
  return [...steps, ...turns].sort((a, b) => a - b);
}

function drawCliff(svg, m, bonus, beta) {
  const [left, zero, width, length] = PLOT;
  const x = (e) => left + ((e + 1) / 2) * width;
  const y = (level) => zero - level * length;
  const path = (value, bonuses) =>
    bonuses.map((e) => `${x(e).toFixed(1)},${y(value(e)).toFixed(1)}`).join(" ");
  const draw = (kind, value, bonuses) =>
    node(svg, "polyline", { points: path(value, bonuses), class: kind });
  const bottom = zero + 52; // a warm policy loses on an answer that it still gives
  const cold = beta === 0;
  const title = cold ? "The value bends, the policy jumps" : "With a temperature both are smooth";
  node(svg, "text", { x: 4, y: 18, class: "title" }, title);
  drawLevels(svg);
  node(svg, "line", { x1: x(0), x2: x(0), y1: bottom, y2: y(1) - 8, class: "grid" });
  for (const [e, mark] of [[-1, "−1"], [-0.5, "−½"], [0, "0"], [0.5, "½"], [1, "1"]]) {
    node(svg, "text", { x: x(e), y: bottom + 16, "text-anchor": "middle" }, mark);
  }
  draw(cold ? "value" : "ceiling", (e) => Math.max(e, 0), [-1, 0, 1]);
  // A jump is no steep line: the ends are open, and the tie's own share stands between them.
  for (const [share, side] of [[0, -1], [1, 1]]) {
    const level = { x1: x(side), x2: x(0) + 5 * side, y1: y(share), y2: y(share) };
    node(svg, "line", { ...level, class: cold ? "share" : "ceiling" });
    if (cold) node(svg, "circle", { cx: x(0), cy: y(share), r: 5, class: "share" });
  }
  if (cold) {
    node(svg, "circle", { cx: x(0), cy: y(1 / m), r: 5, class: "tie" });
  } else {
    draw("value", (e) => effect(m, e, beta).value, sampled(beta));
    draw("share", (e) => effect(m, e, beta).share, sampled(beta));
  }
  const here = effect(m, bonus, beta);
  node(svg, "line", { x1: x(bonus), x2: x(bonus), y1: y(here.value), y2: y(here.share), class: "now" });
  const best = Math.max(bonus, 0);
  node(svg, "line", { x1: x(bonus), x2: x(bonus), y1: y(best), y2: y(here.value), class: "price" });
  node(svg, "circle", { cx: x(bonus), cy: y(here.value), r: 9, class: "worth" });
  node(svg, "circle", { cx: x(bonus), cy: y(here.share), r: 6, class: "here" });
  const row = bottom + 37;
  node(svg, "text", { x: left - 36, y: row, class: "note" }, "bonus ε;");
  legend(svg, left + 22, row, "share", "share of a1");
  legend(svg, left + 132, row, "value", "value");
  if (!cold) legend(svg, left + 208, row, "ceiling", "at β = 0");
}

function legend(svg, x, y, kind, name) {
  node(svg, "line", { x1: x, x2: x + 24, y1: y - 4, y2: y - 4, class: kind });
  node(svg, "text", { x: x + 30, y, class: "note" }, name);
}

const decimal = (x) => signed(Number(x.toFixed(6))); // smaller ones would come as powers of ten

function verdictOn(m, bonus, beta) {
  const { distance, value, price, dearest } = effect(m, bonus, beta);
  const moved = `The reward moved by ${signed(bonus)}, the value by ${decimal(value)}, and the policy by ` +
    `${distance.toFixed(3)} of at most 1.`;
  if (beta === 0) return moved;
  if (bonus === 0) return `${moved} Here the temperature costs nothing: all answers earn the same.`;
  return `${moved} The temperature costs ${decimal(price)} of reward, the purple gap to the best policy; ` +
    `it can cost at most ${decimal(dearest)}.`;
}

function render({ model, el }) {
  const id = `cliff-${Math.random().toString(36).slice(2)}`;
  const root = document.createElement("div");
  root.className = "explorer cliff";
  const answers = slider(root, `${id}-m`, "Tied answers m", { min: 2, max: 10, step: 1 });
  const bonus = slider(root, `${id}-e`, "Bonus ε for the first", SCALES.bonus.attributes);
  const temperature = slider(root, `${id}-b`, "Temperature β", SCALES.temperature.attributes);
  markZero(bonus);
  const [policy, cliff, verdict] = stage(root, 300);
  el.append(root);

  function draw() {
    const [m, e, b] = ["answers", "bonus", "temperature"].map((name) => model.get(name));
    turn(answers, m, String(m));
    turn(bonus, SCALES.bonus.position(e), signed(e));
    turn(temperature, SCALES.temperature.position(b), short(b));
    const { share, value } = effect(m, e, b);
    policy.replaceChildren();
    drawPolicy(policy, m, share);
    policy.setAttribute("aria-label", `Bars: the first of ${m} answers gets ${share.toFixed(3)}.`);
    cliff.replaceChildren();
    drawCliff(cliff, m, e, b);
    cliff.setAttribute("aria-label", "Curves over bonuses from −1 to 1. " +
      `The share of the first answer ${b === 0 ? "jumps" : "rises smoothly"} at 0, the value has no ` +
      `jump. Here the share is ${share.toFixed(3)} and the value has moved by ${decimal(value)}.`);
    verdict.textContent = verdictOn(m, e, b);
  }

  listen(model, answers, "answers", Number, draw);
  listen(model, bonus, "bonus", (position) => SCALES.bonus.value(Number(position)), draw);
  listen(model, temperature, "temperature", (position) => SCALES.temperature.value(Number(position)), draw);
  draw();
}

function address() {
  return {
    name: "cliff",
    readers: { answers: whole(2, 10), bonus: between(-1, 1), temperature: between(0, 1) },
  };
}

export { effect, SCALES };
export default { render, address };
