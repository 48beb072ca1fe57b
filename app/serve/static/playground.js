"use strict";

const $ = (id) => document.getElementById(id);
let key = "";
let samples = [];
let asking = null;
let again = null;
let picked = "";
let own = { prompt: "", is_multiple_choice: false };

/* Browsers have words of their own for a server that is gone, each another. */
async function reached(work) {
  try {
    return await work;
  } catch (error) {
    throw error.name === "AbortError" ? error : new Error("The server cannot be reached.");
  }
}

/* The server's lines as they come. Problems become errors with the server's own words. */
async function* lines(body, signal) {
  const headers = { "Content-Type": "application/json", Accept: "application/x-ndjson" };
  if (key) headers.Authorization = `Bearer ${key}`;
  const response = await reached(fetch("v1/predict", { method: "POST", headers, body: JSON.stringify(body), signal }));
  if (!response.ok) {
    const problem = await response.json().catch(() => ({}));
    throw Object.assign(new Error(problem.detail || `the server answers ${response.status}`), { status: response.status });
  }
  leave("key-form");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reached(reader.read());
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

/* One work at a time, at the place with this id. Once a key is asked for, what was refused is tried again with it. */
async function attempt(place, work, show) {
  if (asking) return;
  asking = new AbortController();
  const from = document.activeElement;
  busy(place);
  show("");
  try {
    await work(asking.signal);
  } catch (error) {
    if (error.name === "AbortError") {
      show("Stopped.");
    } else if (error.status === 401) {
      again = () => attempt(place, work, show);
      $("key-form").hidden = false;
      $("key").focus();
      show(key ? "The server does not know this key." : "The server asks for a key.");
    } else {
      show(error.message);
    }
  } finally {
    asking = null;
    busy(null);
    /* A button that is disabled has lost the focus. */
    if (document.activeElement === document.body) from.focus();
  }
}

/* What vanishes must not take the focus along: from nowhere, the keyboard begins at the top of the page. */
function leave(id) {
  const held = $(id).contains(document.activeElement);
  $(id).hidden = true;
  if (held) $("prompt").focus();
}

function busy(place) {
  for (const id of ["answer", "table-box"]) $(id).setAttribute("aria-busy", id === place);
  if (place) $("stop").hidden = false;
  else leave("stop");
  for (const id of ["go", "file"]) $(id).disabled = Boolean(place);
  $("samples").disabled = Boolean(place) || samples.length === 0;
}

function fail(message) {
  $("error").textContent = message;
  $("error").hidden = !message;
}

function ask() {
  const question = { prompt: $("prompt").value, is_multiple_choice: $("choice").checked };
  return attempt("answer", async (signal) => {
    begin();
    try {
      for await (const line of lines({ questions: [question], explain: true }, signal)) {
        if (line.event === "routed") showRoute(line);
        else if (line.event === "delta") $("raw").textContent += line.text;
        else showPrediction(line);
      }
    } finally {
      if (!$("outcome").textContent) $("final").textContent = "not answered";
    }
  }, fail);
}

function begin() {
  $("empty").hidden = true;
  $("answer").hidden = true;
  $("labels").hidden = true;
  for (const id of ["raw", "seconds", "outcome", "status"]) $(id).textContent = "";
  $("final").textContent = "…";
}

function showRoute(line) {
  $("answer").hidden = false;
  $("type").textContent = words(line.task_type);
  $("why").textContent = line.reason;
  $("messages").replaceChildren(
    ...line.messages.flatMap((message) => [element("h3", message.role), element("div", message.content, "text")]),
  );
}

function showPrediction(row) {
  $("final").textContent = row.answer ?? "no answer";
  $("final").classList.toggle("big", (row.answer ?? "").length <= 40);
  $("raw").textContent = row.raw;
  grade($("outcome"), row.outcome);
  $("seconds").textContent = row.seconds < 1 ? `${Math.round(row.seconds * 1000)} ms` : `${row.seconds.toFixed(1)} s`;
  if (row.error) fail(row.error.message);
  if (row.label_probs) showBars(row);
  $("status").textContent = row.answer === null ? "No answer." : `Answer: ${row.answer}. ${row.outcome}.`;
}

function showBars(row) {
  const ranked = Object.entries(row.label_probs);
  const best = Math.max(...ranked.map(([, p]) => p));
  $("labels").hidden = false;
  $("mass").textContent = `· ${percent(row.label_mass)} of the model's probability is on a label`;
  $("bars").replaceChildren(
    ...ranked.map(([label, p]) => {
      const bar = element("div");
      bar.style.width = `${100 * p}%`;
      const track = element("div", "", "track");
      track.setAttribute("aria-hidden", "true");
      track.append(bar);
      const line = element("li", "", p === best ? "first" : "");
      line.append(element("span", label), track, element("span", percent(p)));
      return line;
    }),
  );
}

function grade(chip, outcome) {
  chip.textContent = outcome;
  chip.className = `chip ${{ clean: "good", repaired: "fair", truncated: "fair", shortened: "fair", unsure: "fair" }[outcome] || "bad"}`;
}

function element(name, text = "", style = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (style) made.className = style;
  return made;
}

const words = (name) => (name || "").replaceAll("_", " ");
const percent = (p) => `${(100 * p).toFixed(p < 0.0995 ? 1 : 0)} %`;

async function look() {
  let ready = false;
  try {
    ready = (await fetch("readyz")).ok;
  } catch {
    /* unreachable is as good as not ready */
  }
  const text = ready ? "ready" : "not ready";
  /* Writing the same again would have a screen reader say it again. */
  if ($("health").textContent === text) return;
  $("health").textContent = text;
  $("health").className = `chip ${ready ? "good" : "bad"}`;
}

async function start() {
  try {
    const response = await reached(fetch("samples.json"));
    if (!response.ok) throw new Error(`The server gives no samples: it answers ${response.status}.`);
    showSamples(await response.json());
  } catch (error) {
    fail(error.message);
  }
}

function showSamples(found) {
  samples = found;
  $("sample").disabled = $("samples").disabled = samples.length === 0;
  if (samples.length === 0) {
    $("sample").options[0].textContent = "— none on this server —";
    $("empty").textContent = "Nothing asked yet. Type a question and press Ask; this server has no samples.";
  }
  $("sample").append(
    ...samples.map((sample, number) => {
      const option = element("option", `${words(sample.task_type)}: ${sample.prompt.replace(/\s+/g, " ").slice(0, 60)}`);
      option.value = number;
      return option;
    }),
  );
}

/* What the user wrote is there again after a look at the samples. */
function pick() {
  if (picked === "") own = { prompt: $("prompt").value, is_multiple_choice: $("choice").checked };
  picked = $("sample").value;
  const question = samples[picked] || own;
  $("prompt").value = question.prompt;
  $("choice").checked = question.is_multiple_choice;
}

$("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("prompt").addEventListener("keydown", (event) => {
  /* Unlike a key press in a field, this would send a form whose button is disabled. */
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !$("go").disabled) $("ask").requestSubmit();
});
$("prompt").addEventListener("input", () => (picked = $("sample").value = ""));
$("sample").addEventListener("change", pick);
$("stop").addEventListener("click", () => asking && asking.abort());
$("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key = $("key").value.trim();
  if (again) again();
});
$("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
});
$("docs").addEventListener("click", async (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  try {
    /* A browser sends no key with a link. */
    const closed = (await reached(fetch("docs"))).status === 401;
    if (closed) fail("The page of the API needs a key, which a link cannot send. Look at it on a server without keys.");
    else location.assign("docs");
  } catch (error) {
    fail(error.message);
  }
});
start();
look();
setInterval(look, 15000);
