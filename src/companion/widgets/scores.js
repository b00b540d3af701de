// Ties, margins and deviations of pasted scores, as companion.theory.scores computes them.
const GUARD = 1e-4;
const ROUNDING = 8 * 2 ** -53;
const LARGEST = Number.MAX_VALUE / 16;
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const SHOWN = { prompts: 20, faults: 5, label: 40 };
const PLOT = [44, 190, 300, 150]; // left, bottom, width, height of the plot in its picture

// Records of a CSV text, each with the line it begins on; quotes as in RFC 4180.
function records(text, mark) {
  const found = [];
  let [fields, field, quoted, line, start] = [[], "", false, 1, 1];
  const endField = () => {
    fields.push(field);
    field = "";
  };
  const endRecord = () => {
    endField();
    if (fields.some((f) => f.trim())) found.push({ line: start, fields });
    fields = [];
    start = line + 1;
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted && c === '"' && text[i + 1] === '"') field += text[i++];
    else if (c === '"' && (quoted || field === "")) quoted = !quoted;
    else if (c === mark && !quoted) endField();
    else if (c === "\n" && !quoted) endRecord();
    else if (c !== "\r" || quoted) field += c;
    if (c === "\n") line += 1;
  }
  if (quoted) throw fault(start, "a quotation mark is not closed");
  endRecord();
  return found;
}

function fault(line, message) {
  return { line, message };
}

// The columns of a pasted text, or the faults that stand in the way, each with its line.
function read(text) {
  let table;
  try {
    table = records(text, text.split("\n", 1)[0].includes("\t") ? "\t" : ",");
  } catch (error) {
    return { faults: [error] };
  }
  if (!table.length) return { faults: [fault(1, "there are no scores")] };
  const [head, ...rows] = table;
  const names = head.fields.map((name) => name.trim());
  const [prompt, answer] = ["prompt", "answer"].map((name) => names.indexOf(name));
  const scores = names.map((_, i) => i).filter((i) => i !== prompt && i !== answer);
  if (prompt < 0 || answer < 0 || !scores.length) {
    return { faults: [fault(head.line, "must name the columns: prompt,answer,score")] };
  }
  if (!rows.length) return { faults: [fault(head.line, "no answers follow")] };
  const faults = rows.flatMap((row) => wrong(row, names, scores));
  const samples = new Map();
  for (const row of faults.length ? [] : rows) {
    const label = row.fields[prompt];
    if (!samples.has(label)) samples.set(label, []);
    samples.get(label).push(row);
  }
  for (const [label, [first, second]] of samples) {
    if (!second) faults.push(fault(first.line, `the only answer to “${clip(label)}”; two are needed`));
  }
  const column = (i, each = (x) => x) => rows.map((row) => each(row.fields[i]));
  return faults.length
    ? { faults }
    : {
        faults,
        prompts: column(prompt),
        answers: column(answer),
        scores: scores.map((i) => ({ name: names[i], values: column(i, Number) })),
      };
}

function wrong({ line, fields }, names, scores) {
  if (fields.length !== names.length) {
    return [fault(line, `${fields.length} fields, but ${names.length} columns`)];
  }
  const bad = scores.find((i) => {
    const text = fields[i].trim();
    return !NUMBER.test(text) || Math.abs(Number(text)) > LARGEST;
  });
  return bad === undefined ? [] : [fault(line, `${names[bad]} “${clip(fields[bad])}” is no number`)];
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length / 2;
  return Number.isInteger(half) ? (sorted[half - 1] + sorted[half]) / 2 : sorted[Math.floor(half)];
}

// With n − 1; exactly 0 for equal scores, and no overflow for large ones.
function deviation(scores) {
  const width = range(scores);
  if (width === 0) return 0;
  const low = smallest(scores);
  const shares = scores.map((x) => (x - low) / width);
  const mean = shares.reduce((a, b) => a + b) / shares.length;
  const squares = shares.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return width * Math.sqrt(squares / (shares.length - 1));
}

// β_c(m) of fact 13: sinh u where coth u = u + ½ log(m − 1), by bisection.
function collapseThreshold(ties) {
  const offset = Math.log(ties - 1) / 2;
  let [low, high] = [1 / (offset + 2), 1.2];
  for (let i = 0; i < 60; i++) {
    const u = (low + high) / 2;
    if (u + offset > 1 / Math.tanh(u)) high = u;
    else low = u;
  }
  return Math.sinh((low + high) / 2);
}

const largest = (values) => values.reduce((a, b) => Math.max(a, b));
const smallest = (values) => values.reduce((a, b) => Math.min(a, b));
const range = (values) => largest(values) - smallest(values);

function promptScores(prompt, rows, { epsilon, beta, tolerance }) {
  const scores = rows.map(([, score]) => score);
  const byAnswer = new Map();
  for (const [answer, score] of rows) {
    if (!byAnswer.has(answer)) byAnswer.set(answer, []);
    byAnswer.get(answer).push(score);
  }
  const ofOne = [...byAnswer.values()];
  const ranked = ofOne.map(median).sort((a, b) => b - a);
  const behind = ranked.map((score) => ranked[0] - score);
  const rounding = ROUNDING * largest(scores.map(Math.abs));
  const width = range(scores);
  const sigma = deviation(scores);
  const ties = behind.filter((gap) => gap <= tolerance + rounding).length;
  const margin = ranked.length > 1 ? behind[1] : NaN;
  return {
    prompt,
    samples: scores.length,
    answers: ranked.length,
    tied_exactly: behind.filter((gap) => gap === 0).length,
    ties,
    margin,
    deviation: sigma,
    temperature: beta * (sigma + GUARD),
    threshold: ties > 1 ? collapseThreshold(ties) : NaN,
    flat: width <= rounding,
    noise_only: rounding < width && width <= tolerance + rounding,
    within_reach: margin <= 2 * epsilon + rounding,
    rescored: largest(ofOne.map(range)),
    on_cliff: ties > 1,
  };
}

function scoreColumn(name, prompts, answers, values, settings) {
  const groups = new Map();
  prompts.forEach((prompt, row) => {
    if (!groups.has(prompt)) groups.set(prompt, []);
    groups.get(prompt).push([answers[row], values[row]]);
  });
  const each = [...groups].map(([prompt, rows]) => promptScores(prompt, rows, settings));
  const count = (holds) => each.filter(holds).length;
  const margins = each.map((p) => p.margin).filter((x) => !Number.isNaN(x));
  return {
    name,
    prompts: each,
    tied_exactly: count((p) => p.tied_exactly > 1),
    on_cliff: count((p) => p.on_cliff),
    within_reach: count((p) => p.within_reach),
    margin: margins.length ? median(margins) : NaN,
    flat: count((p) => p.flat),
    noise_only: count((p) => p.noise_only),
    deviation: median(each.map((p) => p.deviation)),
    temperature: median(each.map((p) => p.temperature)),
    collapsing: count((p) => p.on_cliff && settings.beta < p.threshold),
    rescored: largest(each.map((p) => p.rescored)),
  };
}

// What companion.theory.score_report returns, for columns as `read` gives them.
function scoreReport({ prompts, answers, scores }, settings) {
  const { epsilon, beta, distance } = settings;
  return {
    ...settings,
    columns: scores.map(({ name, values }) => scoreColumn(name, prompts, answers, values, settings)),
    move: epsilon === 0 ? 0 : beta === 0 ? 1 : Math.tanh(epsilon / beta / 2),
    needed_beta: epsilon / (2 * Math.atanh(distance)),
  };
}

function three(x) {
  return Number.isNaN(x) ? "–" : Number(x.toPrecision(3)).toString().replace("-", "−");
}

function clip(text) {
  const label = text.split(/\s+/).filter(Boolean).join(" ");
  return label.length > SHOWN.label ? `${label.slice(0, SHOWN.label - 1)}…` : label;
}

// The cells of a column under the lines of the report.
function cells(column, report) {
  const total = column.prompts.length;
  const answers = column.prompts.map((p) => p.answers).sort((a, b) => a - b);
  const [few, many] = [answers[0], answers.at(-1)];
  const counts = ["tied_exactly", "on_cliff", "within_reach", "flat", "noise_only"];
  return {
    size: `${total} (${few === many ? few : `${few} to ${many}`})`,
    ...Object.fromEntries(counts.map((key) => [key, `${column[key]} of ${total}`])),
    rescored: three(column.rescored),
    margin: three(column.margin),
    radius: three(column.margin / 2),
    deviation: three(column.deviation),
    temperature: three(column.temperature),
    move: three(report.move),
    needed_beta: `${three(report.needed_beta)} for ${three(report.distance)}`,
    collapsing: `${column.collapsing} of ${column.on_cliff}`,
  };
}

function nearest(column) {
  const lead = (p) => (Number.isNaN(p.margin) ? Infinity : p.margin);
  // Not a difference: Infinity less Infinity is no number.
  return [...column.prompts].sort((a, b) =>
    lead(a) === lead(b) ? b.ties - a.ties : lead(a) < lead(b) ? -1 : 1);
}

function promptCells(p) {
  const counts = [p.answers, p.ties, p.tied_exactly].map(String);
  return [clip(p.prompt), ...counts, ...[p.margin, p.deviation, p.temperature, p.threshold].map(three)];
}

// A table with a head and row headers, in a box that scrolls from the keyboard, too.
function table(parent, caption, headings, rows) {
  element(parent, "p", caption, { class: "caption" }); // outside, so that it does not scroll
  const box = element(parent, "div", "", {
    class: "wide", tabindex: 0, role: "region", "aria-label": caption,
  });
  const made = element(box, "table");
  const head = element(element(made, "thead"), "tr");
  headings.forEach((text) => element(head, "th", text, { scope: "col" }));
  const body = element(made, "tbody");
  return rows.map(([first, ...others]) => {
    const row = element(body, "tr");
    element(row, "th", first, { scope: "row" });
    others.forEach((text) => element(row, "td", text));
    return row;
  });
}

// Leads of all prompts from the smallest to the largest; those on the cliff in the accent.
function drawLeads(figure, column, { epsilon }) {
  const [left, bottom, width, height] = PLOT;
  const prompts = nearest(column).filter((p) => !Number.isNaN(p.margin));
  const most = largest([2.2 * epsilon, ...prompts.map((p) => p.margin)]) || 1;
  const label = `Leads of ${prompts.length} prompts by ${column.name}, ${column.on_cliff} on the cliff.`;
  const svg = node(figure, "svg", { viewBox: "0 0 370 240", role: "img", "aria-label": label });
  const y = (lead) => bottom - (lead / most) * height;
  node(svg, "text", { x: left, y: 18, class: "title" }, `Leads by ${clip(column.name)}`);
  for (const lead of [0, most]) {
    node(svg, "line", { x1: left, x2: left + width, y1: y(lead), y2: y(lead), class: "grid" });
    node(svg, "text", { x: left - 8, y: y(lead) + 5, "text-anchor": "end" }, short(lead));
  }
  const slot = width / Math.max(prompts.length, 1);
  prompts.forEach((p, i) => {
    const place = { x1: left + (i + 0.5) * slot, x2: left + (i + 0.5) * slot };
    const kind = p.on_cliff ? "tied" : "led";
    node(svg, "line", { ...place, y1: bottom, y2: y(p.margin), class: `stem ${kind}` });
    const r = Math.max(1.5, Math.min(6, slot / 3));
    node(svg, "circle", { cx: place.x1, cy: y(p.margin), r, class: `lead ${kind}` });
  });
  const reach = y(2 * epsilon);
  node(svg, "line", { x1: left, x2: left + width, y1: reach, y2: reach, class: "reach" });
  node(svg, "text", { x: left, y: bottom + 22, class: "note" }, "prompts, smallest lead first; orange: on the cliff");
  node(svg, "text", { x: left, y: bottom + 40, class: "note" }, "dashed: 2ε, what an error of ε can close");
}

function show(place, report, lines, headings) {
  const { columns } = report;
  const all = columns.map((column) => cells(column, report));
  const rows = lines.map(([key, text, source]) => [text, ...all.map((cell) => cell[key]), source]);
  const names = columns.map((column) => column.name);
  const made = table(place, "The report", ["line", ...names, "rests on"], rows);
  lines.forEach(([key], i) => {
    // Where the page explains the line, the line leads there.
    const anchor = `line-${key.replaceAll("_", "-")}`;
    if (!document.getElementById(anchor)) return;
    const head = made[i].firstChild;
    const text = head.textContent;
    head.textContent = "";
    element(head, "a", text, { href: `#${anchor}` });
  });
  const figure = element(place, "figure");
  for (const column of columns) {
    drawLeads(figure, column, report);
    const near = nearest(column).slice(0, SHOWN.prompts);
    const more = column.prompts.length - near.length;
    const rest = more ? `; ${more} further prompts have larger leads` : "";
    const caption = `Prompts by ${column.name}, nearest to the cliff${rest}`;
    const drawn = table(place, caption, headings, near.map(promptCells));
    near.forEach((p, i) => drawn[i].classList.toggle("cliff", p.on_cliff));
  }
}

function verdict({ columns }) {
  return columns
    .map((c) => `By ${c.name}, ${c.on_cliff} of ${c.prompts.length} prompts are on the cliff.`)
    .join(" ");
}

const SETTINGS = {
  epsilon: ["Error of a score ε", (x) => x >= 0, "a number of at least 0"],
  beta: ["KL weight β", (x) => x >= 0, "a number of at least 0"],
  tolerance: ["Tolerance: the noise", (x) => x >= 0, "a number of at least 0"],
  distance: ["Distance to allow", (x) => x > 0 && x < 1, "a number between 0 and 1"],
};

// A labelled field with the place beside it where its faults are said.
function field(root, id, label, kind, attributes) {
  const row = element(root, "div", "", { class: "field" });
  element(row, "label", label, { for: id });
  const said = `${id}-fault`;
  const input = element(row, kind, "", { id, "aria-describedby": said, ...attributes });
  const fault = element(row, "p", "", { id: said, class: "fault", "aria-live": "polite" });
  return {
    input,
    say(lines) {
      input.setAttribute("aria-invalid", lines.length > 0);
      fault.textContent = lines.join("\n");
    },
  };
}

function faultLines(faults) {
  const lines = faults.slice(0, SHOWN.faults).map((f) => `Line ${f.line}: ${f.message}.`);
  const more = faults.length - lines.length;
  return more ? [...lines, `And ${more} more.`] : lines;
}

function render({ model, el }) {
  const id = `scores-${Math.random().toString(36).slice(2)}`;
  const root = element(el, "div", "", { class: "explorer scores" });
  const text = field(root, `${id}-text`, "Scores: prompt,answer,score", "textarea", {
    rows: 9, spellcheck: "false", autocomplete: "off", wrap: "off",
  });
  const inputs = Object.entries(SETTINGS).map(([name, [label]]) => {
    const attributes = { type: "number", step: "any", min: 0 };
    return [name, field(root, `${id}-${name}`, label, "input", attributes)];
  });
  const said = element(root, "p", "", { class: "verdict", "aria-live": "polite" });
  const place = element(root, "div", "", { class: "report" });

  function draw() {
    const table = read(text.input.value);
    text.say(faultLines(table.faults));
    const settings = {};
    let sound = !table.faults.length;
    for (const [name, { input, say }] of inputs) {
      const [, holds, wanted] = SETTINGS[name];
      settings[name] = input.value === "" ? NaN : Number(input.value);
      const good = Number.isFinite(settings[name]) && holds(settings[name]);
      say(good ? [] : [`Must be ${wanted}.`]);
      sound &&= good;
    }
    place.replaceChildren();
    said.textContent = "No report yet: see the fields above.";
    if (!sound) return;
    const report = scoreReport(table, settings);
    said.textContent = verdict(report);
    show(place, report, model.get("lines"), model.get("headings"));
  }

  // A browser may say "input" once for each line that is pasted: all that come in one frame are one.
  let waits = false;
  function soon() {
    if (!waits) requestAnimationFrame(typed);
    waits = true;
  }

  function typed() {
    waits = false;
    draw();
    model.set("text", text.input.value);
    for (const [name, { input }] of inputs) {
      const value = Number(input.value);
      if (input.value !== "" && SETTINGS[name][1](value)) model.set(name, value);
    }
    model.save_changes();
  }

  for (const [name, { input }] of [["text", text], ...inputs]) {
    input.value = model.get(name);
    input.addEventListener("input", soon);
    model.on(`change:${name}`, () => {
      // Not what the reader is typing: "0." is on its way to "0.5".
      const value = model.get(name);
      if (name === "text" ? input.value === value : Number(input.value) === value) return;
      input.value = value;
      draw();
    });
  }
  draw();
}

// The settings alone: what is pasted stands in no address, which a server may be asked for.
function address() {
  const reader = (holds) => (text) =>
    [between(0, Number.MAX_VALUE)(text)].find((x) => x !== undefined && holds(x));
  const readers = Object.entries(SETTINGS).map(([name, [, holds]]) => [name, reader(holds)]);
  return { name: "scores", readers: Object.fromEntries(readers) };
}

export { cells, collapseThreshold, read, scoreReport };
export default { render, address };
