"use strict";
// The table of samples and its detail view. Text from the data is only ever set as text, never as markup.

const byId = (id) => document.getElementById(id);

/** An element with properties and children; strings become text nodes. */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Rows of the embedded table as objects; text fields are looked up in the pool. */
function unpack(data) {
  const texts = data.textFields.length;
  return data.rows.map((row) => {
    const sample = {};
    data.textFields.forEach((name, place) => { sample[name] = row[place] === null ? null : data.texts[row[place]]; });
    data.valueFields.forEach((name, place) => { sample[name] = row[texts + place]; });
    return sample;
  });
}

const data = JSON.parse(byId("data").textContent);
const samples = unpack(data);
const words = (name) => (name ?? "").replaceAll("_", " ");
const score = (value) => (value === null ? "–" : value.toFixed(3));
const signed = (value) => (value === null ? "–" : (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value).toFixed(3));
const seconds = (value) => (value === null ? "–" : value < 1 ? `${+(value * 1000).toPrecision(3)} ms` : `${value.toPrecision(3)} s`);
const result = (value) => (value === null ? "unscored" : value >= 1 ? "right" : value <= 0 ? "wrong" : "partly");
const yesNo = (value, yes, no, unknown) => (value === null ? unknown : value ? yes : no);
const scored = (value) => make("span", { className: `mark ${result(value)}` }, score(value));
const tag = (outcome) => make("span", { className: `tag ${outcome ?? "unknown"}` }, outcome ?? "unknown");
const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
const line = (text) => (text ?? "–").slice(0, 200).replace(/\s+/g, " ");

// What differs between the report's table and the comparison's.
const kinds = {
  report: {
    filters: {
      task: (sample) => sample.task_name,
      type: (sample) => sample.task_type,
      outcome: (sample) => sample.outcome ?? "unknown",
      result: (sample) => result(sample.score),
      route: (sample) => yesNo(sample.route_right, "right", "wrong", "unknown"),
    },
    searched: ["id", "prompt", "raw", "answer", "gold"],
    detail: reportDetail,
  },
  comparison: {
    filters: {
      task: (sample) => sample.task_name,
      type: (sample) => sample.task_type,
      change: (sample) => (sample.difference > 0 ? "rose" : "fell"),
    },
    searched: ["id", "prompt", "answer_a", "answer_b", "gold"],
    detail: comparisonDetail,
  },
};
const cells = {
  task_type: (sample) => words(sample.task_type),
  outcome: (sample) => tag(sample.outcome),
  seconds: (sample) => seconds(sample.seconds),
  score: (sample) => scored(sample.score),
  score_a: (sample) => score(sample.score_a),
  score_b: (sample) => score(sample.score_b),
  difference: (sample) => make("span", { className: `mark ${sample.difference > 0 ? "right" : "wrong"}` }, signed(sample.difference)),
};
const numbers = new Set(["seconds", "score", "score_a", "score_b", "difference"]);
const kind = kinds[data.kind];
const names = Object.keys(kind.filters);

const view = { shown: samples, page: 0, size: 25, sort: null, down: false, open: null };

// ---- the table ----

function matching() {
  const wanted = names.map((name) => [kind.filters[name], byId(name).value]).filter(([, value]) => value !== "");
  const query = byId("q").value.trim().toLowerCase();
  return samples.filter((sample) =>
    wanted.every(([read, value]) => read(sample) === value) && (query === "" || haystack(sample).includes(query)));
}

function haystack(sample) {
  sample.haystack ??= kind.searched.map((name) => sample[name] ?? "").join("\n").toLowerCase();
  return sample.haystack;
}

const collator = new Intl.Collator("en", { numeric: true });

/** Numbers as numbers, text in natural order ("task2" before "task10"); what is not known comes last either way. */
function sorted(list) {
  if (view.sort === null) return list;
  const direction = view.down ? -1 : 1;
  const compare = numbers.has(view.sort) ? (a, b) => a - b : collator.compare;
  const known = list.filter((sample) => sample[view.sort] !== null);
  const unknown = list.filter((sample) => sample[view.sort] === null);
  return [...known.sort((a, b) => direction * compare(a[view.sort], b[view.sort])), ...unknown];
}

function refresh() {
  view.shown = sorted(matching());
  view.page = 0;
  drawTable();
}

function drawTable() {
  const pages = Math.max(1, Math.ceil(view.shown.length / view.size));
  view.page = Math.min(Math.max(view.page, 0), pages - 1);
  const start = view.page * view.size;
  const fields = [...document.querySelectorAll("#sample-table th")].map((head) => head.dataset.field);
  const rows = view.shown.slice(start, start + view.size).map((sample, place) => drawRow(sample, start + place, fields));
  document.querySelector("#sample-table tbody").replaceChildren(...rows);
  const [shown, total] = [view.shown.length.toLocaleString("en"), samples.length.toLocaleString("en")];
  byId("count").textContent = shown === total ? `${total} samples` : `${shown} of ${total} samples`;
  byId("page-place").textContent = `page ${view.page + 1} of ${pages}`;
  for (const id of ["first", "back"]) byId(id).disabled = view.page === 0;
  for (const id of ["forward", "last"]) byId(id).disabled = view.page === pages - 1;
}

function drawRow(sample, place, fields) {
  const row = make("tr", {}, ...fields.map((field) => {
    const content = field === "id"
      ? make("button", { type: "button", className: "open", title: "Show this sample" }, sample.id)
      : cells[field]?.(sample) ?? line(sample[field]);
    const cell = make("td", { dir: numbers.has(field) ? "" : "auto", className: numbers.has(field) ? "right-align" : "" }, content);
    cell.dataset.field = field;
    return cell;
  }));
  row.addEventListener("click", () => openDetail(place));
  return row;
}

function sortBy(head) {
  const field = head.dataset.field;
  [view.sort, view.down] = view.sort !== field ? [field, false] : view.down ? [null, false] : [field, true];
  for (const other of document.querySelectorAll("#sample-table th")) {
    other.ariaSort = other.dataset.field !== view.sort ? "none" : view.down ? "descending" : "ascending";
  }
  refresh();
}

// ---- one sample ----

function openDetail(place) {
  const sample = view.shown[place];
  if (sample === undefined) return;
  view.open = place;
  byId("detail-title").textContent = sample.id;
  byId("detail-place").textContent = `${(place + 1).toLocaleString("en")} of ${view.shown.length.toLocaleString("en")}`;
  byId("detail-body").replaceChildren(...kind.detail(sample));
  byId("detail-body").scrollTop = 0;
  byId("previous").disabled = place === 0;
  byId("next").disabled = place === view.shown.length - 1;
  if (!byId("detail").open) byId("detail").showModal();
  writeHash();
}

const block = (title, ...content) => make("section", { className: "block" }, make("h3", {}, title), ...content);
const pair = (...parts) => make("div", { className: "pair" }, ...parts);
const problem = (text) => (text ? make("p", { className: "problem" }, text) : null);

function text(value, absent) {
  if (value === null) return make("pre", { className: "empty" }, absent);
  if (value === "") return make("pre", { className: "empty" }, "empty");
  return make("pre", { dir: "auto" }, value);
}

function facts(pairs) {
  return make("dl", { className: "details" }, ...pairs.filter(([, value]) => value !== null)
    .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, value))));
}

/** Label probabilities as bars, the chosen label in colour, the gold one named. */
function probabilities(sample) {
  const best = Math.max(...Object.values(sample.label_probs));
  const rows = Object.entries(sample.label_probs).flatMap(([label, share]) => {
    const fill = make("div", { className: share === best ? "fill chosen" : "fill" });
    fill.style.width = `${100 * share}%`;
    const rail = make("div", { className: "rail" }, fill);
    const gold = String(sample.gold) === label ? " gold" : "";
    return [make("strong", {}, label), rail, make("span", {}, `${share.toFixed(3)}${gold}`)];
  });
  return make("div", { className: "probabilities" }, ...rows);
}

/** The conversation as the model saw it: the question as it is, the template's own words in a quieter colour. */
function conversation(sample) {
  if (sample.rendered === null) return [make("p", { className: "caption" }, "The rendered prompt is not known; this is the question."), text(sample.prompt)];
  return sample.rendered.map(([role, ...parts]) => {
    const [before, start, end, after] = parts;
    const body = parts.length === 1 ? [data.texts[before]] : [
      make("span", { className: "template" }, data.texts[before]),
      sample.prompt.slice(start, sample.prompt.length - end),
      make("span", { className: "template" }, data.texts[after]),
    ];
    return make("div", { className: "message" }, make("p", { className: "role" }, data.texts[role]), make("pre", { dir: "auto" }, ...body));
  });
}

function reportDetail(sample) {
  const counts = sample.counts && `${sample.counts[0]} right, ${sample.counts[1]} wrong, ${sample.counts[2]} missed`;
  return [
    facts([
      ["score", scored(sample.score)], ["outcome", tag(sample.outcome)], ["task", sample.task_name], ["type", words(sample.task_type)],
      ["metric", sample.metric], ["type read", sample.routed_type && `${words(sample.routed_type)}${yesNo(sample.route_right, "", " (wrong)", "")}`],
      ["entities", counts], ["time", sample.seconds === null ? null : seconds(sample.seconds)],
      ["length", [many(sample.output_characters, "character"), sample.output_tokens === null ? null : many(sample.output_tokens, "token")].filter(Boolean).join(", ")],
    ]),
    problem(sample.missing ? "There was no prediction for this sample; it counts as an empty answer." : null),
    problem(sample.error), problem(sample.not_scored_reason),
    pair(block("The model’s text", text(sample.raw, "not known")), block("Answer", text(sample.answer))),
    pair(block("As the evaluator reads it", text(sample.parsed)), block("Gold", text(sample.gold))),
    sample.label_probs === null ? null : block(
      `Label probabilities${sample.label_mass === null ? "" : ` (${score(sample.label_mass)} of the model’s own probability fell on a label)`}`, probabilities(sample)),
    block("Prompt", ...conversation(sample)),
  ].filter((part) => part !== null);
}

function comparisonDetail(sample) {
  return [
    facts([
      ["difference", cells.difference(sample)], ["A", score(sample.score_a)], ["B", score(sample.score_b)],
      ["task", sample.task_name], ["type", words(sample.task_type)], ["metric", sample.metric],
    ]),
    pair(block("Answer A", text(sample.answer_a)), block("Answer B", text(sample.answer_b))),
    block("Gold", text(sample.gold)),
    block("Question", text(sample.prompt)),
  ];
}

// ---- the address: filters and the open sample, so that a view can be linked to ----

function writeHash() {
  const state = new URLSearchParams();
  for (const name of ["q", ...names]) if (byId(name).value !== "") state.set(name, byId(name).value);
  if (view.open !== null) state.set("sample", view.shown[view.open].id);
  const hash = state.toString();
  if (hash || location.hash.includes("=")) history.replaceState(null, "", `#${hash}`);
}

function readHash() {
  if (!location.hash.includes("=")) return;
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of ["q", ...names]) byId(name).value = state.get(name) ?? "";
  refresh();
  byId("samples").scrollIntoView();
  const place = view.shown.findIndex((sample) => sample.id === state.get("sample"));
  if (place >= 0) openDetail(place);
}

// ---- light and dark ----

function theme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const current = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const name = () => { byId("theme").textContent = current() === "dark" ? "Light" : "Dark"; };
  byId("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = current() === "dark" ? "light" : "dark";
    name();
  });
  dark.addEventListener("change", name);
  byId("theme").hidden = false;
  name();
}

function turn(page) {
  view.page = page;
  drawTable();
  byId("count").scrollIntoView({ block: "nearest" });
}

function listen() {
  let waiting = 0;
  const changed = () => { refresh(); writeHash(); };
  byId("q").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(changed, 150); });
  for (const name of names) byId(name).addEventListener("change", changed);
  byId("filters").addEventListener("reset", () => setTimeout(changed));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  for (const head of document.querySelectorAll("#sample-table th")) {
    head.classList.toggle("right-align", numbers.has(head.dataset.field));
    head.querySelector("button").addEventListener("click", () => sortBy(head));
  }
  byId("first").addEventListener("click", () => turn(0));
  byId("back").addEventListener("click", () => turn(view.page - 1));
  byId("forward").addEventListener("click", () => turn(view.page + 1));
  byId("last").addEventListener("click", () => turn(Infinity));
  byId("size").addEventListener("change", () => { view.size = Number(byId("size").value); turn(0); });
  byId("previous").addEventListener("click", () => openDetail(view.open - 1));
  byId("next").addEventListener("click", () => openDetail(view.open + 1));
  byId("close").addEventListener("click", () => byId("detail").close());
  byId("detail").addEventListener("click", (event) => { if (event.target === byId("detail")) byId("detail").close(); });
  byId("detail").addEventListener("close", () => { view.open = null; writeHash(); });
  byId("detail").addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") openDetail(view.open - 1);
    if (event.key === "ArrowRight") openDetail(view.open + 1);
  });
  addEventListener("hashchange", readHash);
}

theme();
listen();
drawTable();
readHash();
