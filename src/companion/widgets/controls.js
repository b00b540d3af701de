// What the explorers share: SVG nodes and labelled native sliders.
const SVG = "http://www.w3.org/2000/svg";

function short(x) {
  return x === 0 ? "0" : Number(x.toPrecision(2)).toString();
}

function node(parent, name, attributes = {}, text = "") {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent.append(element);
  return element;
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

