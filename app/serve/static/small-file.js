"use strict";

let answers = [];

async function runFile(questions) {
  $("status").textContent = "";
  await attempt("table-box", async (signal) => {
    const cells = tabulate(questions);
    try {
      for await (const row of lines({ questions }, signal)) {
        fillRow(cells.get(row.id), row);
        answers.push(row);
        $("progress").textContent = `${answers.length} of ${questions.length}`;
      }
    } finally {
      closeTable(cells);
    }
    end(`${answers.length} of ${questions.length} answered`);
  }, (message) => message && end(answers.length ? `${answers.length} of ${questions.length} answered. ${message}` : message));
}

/* Aloud only once, at the end: a screen reader would count along. */
function end(text) {
  $("progress").textContent = $("status").textContent = text;
}

/* A new table, all of it open: the cells of each row by the question's id. */
function tabulate(questions) {
  answers = [];
  $("table-box").hidden = false;
  $("save").hidden = true;
  $("progress").textContent = "";
  const cells = new Map();
  $("rows").replaceChildren(
    ...questions.map((question) => {
      const row = element("tr");
      const cut = question.prompt.length > 160 ? `${question.prompt.slice(0, 160)}…` : question.prompt;
      row.append(element("td", question.id), element("td", cut), element("td"), element("td", "…"), element("td"));
      cells.set(question.id, row.children);
      return row;
    }),
  );
  return cells;
}

function fillRow([, , type, answer, outcome], row) {
  type.textContent = words(row.task_type);
  answer.textContent = row.answer ?? row.error.message;
  const chip = element("span");
  grade(chip, row.outcome);
  outcome.replaceChildren(chip);
}

/* However it ended: what is there can be saved, and nothing looks as if it still came. */
function closeTable(cells) {
  $("save").hidden = answers.length === 0;
  const answered = new Set(answers.map((row) => row.id));
  for (const [id, [, , , answer]] of cells) if (!answered.has(id)) answer.textContent = "not answered";
}

/* JSON lines of the kit (input_field) or ours (prompt), or one JSON list of them. */
function readQuestions(text) {
  const trimmed = text.trim();
  const filled = trimmed.split("\n").filter((line) => line.trim());
  const rows = trimmed.startsWith("[") ? parse(trimmed, "the list") : filled.map((line, number) => parse(line, `line ${number + 1}`));
  if (rows.length === 0 || rows.length > 256) throw new Error(`${rows.length} rows: give 1 to 256`);
  return rows.map(readQuestion);
}

function parse(text, place) {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error(`${place} is not JSON`);
  }
}

function readQuestion(row, number) {
  /* null has no fields to look for; of the rest each has, though perhaps not these. */
  const { id, prompt, input_field, is_multiple_choice } = row ?? {};
  const text = prompt ?? input_field;
  if (typeof text !== "string" || !["boolean", "undefined"].includes(typeof (is_multiple_choice ?? undefined))) {
    throw new Error(`row ${number + 1}: 'prompt' (text) is needed, and 'is_multiple_choice' true, false or left out`);
  }
  return { id: String(id ?? number), prompt: text, is_multiple_choice };
}

$("samples").addEventListener("click", () => runFile(samples.map(({ id, prompt, is_multiple_choice }) => ({ id, prompt, is_multiple_choice }))));
$("file").addEventListener("change", async () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  try {
    await runFile(readQuestions(await file.text()));
  } catch (error) {
    $("progress").textContent = $("status").textContent = `${file.name}: ${error.message}`;
  }
});
$("save").addEventListener("click", () => {
  const link = element("a");
  link.href = URL.createObjectURL(new Blob(answers.map((row) => `${JSON.stringify(row)}\n`), { type: "application/x-ndjson" }));
  link.download = "answers.jsonl";
  link.click();
  URL.revokeObjectURL(link.href);
});
