// What the explorers share: nodes, labelled native sliders and choices, pictures, scales, addresses.
const SVG = "http://www.w3.org/2000/svg";

function short(x) {
  return x === 0 ? "0" : Number(x.toPrecision(2)).toString();
}

function signed(x) {
  return (x < 0 ? "−" : "") + short(Math.abs(x));
}

function percent(p) {
  return p > 0.999 && p < 1 ? "over 99.9\u00a0%" : `${Number((100 * p).toPrecision(3))}\u00a0%`;
}

function node(parent, name, attributes = {}, text = "") {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

function element(parent, name, text = "", attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent.append(made);
  return made;
}

function slider(parent, id, label, attributes) {
  const row = document.createElement("div");
  const caption = document.createElement("label");
  const input = document.createElement("input");
  const value = document.createElement("output");
  caption.textContent = label;
  caption.htmlFor = value.htmlFor = input.id = id;
  input.type = "range";
  Object.assign(input, attributes);
  row.append(caption, input, value);
  parent.append(row);
  return { input, value };
}

// Options are pairs of value and label.
function chooser(parent, id, label, options) {
  const row = document.createElement("div");
  row.className = "choice";
  const caption = document.createElement("label");
  const input = document.createElement("select");
  caption.textContent = label;
  caption.htmlFor = input.id = id;
  for (const [value, text] of options) input.append(new Option(text, value));
  row.append(caption, input);
  parent.append(row);
  return { input };
}

// Move a slider. A screen reader hears the text, not the position on a scale.
function turn({ input, value }, position, text) {
  input.value = position;
  value.textContent = text;
  input.setAttribute("aria-valuetext", text);
}

// What a reader chooses goes to the model; whoever changes the model, all is drawn again.
function listen(model, row, name, read, draw) {
  row?.input.addEventListener("input", () => {
    model.set(name, read(row.input.value));
    model.save_changes();
    draw();
  });
  model.on(`change:${name}`, draw);
}

// Two pictures side by side, and the sentence under them.
function stage(root, height) {
  const figure = element(root, "figure");
  const pictures = [0, 1].map(() =>
    node(figure, "svg", { viewBox: `0 0 370 ${height}`, role: "img" }));
  return [...pictures, element(root, "p", "", { class: "verdict", "aria-live": "polite" })];
}

// A slider's positions are powers of ten from 10 ** low to 10 ** high; one further left is exactly 0.
// Values have three digits: so many tell all positions apart, and an address stays short.
function decades(low, high, step = 0.05) {
  const zero = low - step;
  return {
    attributes: { min: zero, max: high, step },
    value: (position) => (position < low - step / 2 ? 0 : Number((10 ** position).toPrecision(3))),
    position: (value) => (value === 0 ? zero : Math.log10(value)),
  };
}

// The same to both sides of an exact 0 in the middle: so a slider reaches small values of either sign.
function mirrored(low, high, step) {
  const { attributes, value, position } = decades(low, high, step);
  const reach = attributes.max - attributes.min;
  return {
    attributes: { min: -reach, max: reach, step },
    value: (place) => Math.sign(place) * value(attributes.min + Math.abs(place)),
    position: (x) => Math.sign(x) * (position(Math.abs(x)) - attributes.min),
  };
}

// A tick at 0, to which most browsers draw a pointer that comes near.
function markZero({ input }) {
  const ticks = element(input.parentNode, "datalist", "", { id: `${input.id}-ticks` });
  ticks.append(new Option("", 0));
  input.setAttribute("list", ticks.id);
}

// Readers of what a page's address says: the value, or undefined for one that may not stand there.
function between(low, high) {
  return (text) => {
    const value = text.trim() === "" ? NaN : Number(text);
    return value >= low && value <= high ? value : undefined;
  };
}

function whole(low, high) {
  return (text) => [between(low, high)(text)].find(Number.isInteger);
}

