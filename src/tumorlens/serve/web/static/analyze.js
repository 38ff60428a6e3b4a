// The first page: scans come in, results come out, and one of them is looked at.
import { answerOf, forget, hold, lack, put, serve } from "./answers.js";
import { fromInput, fromTransfer } from "./gather.js";
import { statusWords, tr } from "./messages.js";
import { api, ask, base, download } from "./net.js";
import { drawLine, drawRow, errorWords, Pending, Stack } from "./results.js";
import { Sender } from "./send.js";
import { Viewer } from "./viewer.js";

const SCROLL_PAUSE_MS = 60; // slices that are only passed by are not asked for
const WHOLE_PAUSE_MS = 250; // slices of a series come fast: its answer waits for the last
const MOST_PAGES = 100; // of a PDF, as the service draws it; more become several

const part = (name) => document.querySelector(`[data-${name}]`);
const page = {
  place: part("workplace"), drop: part("drop"), results: part("results"), list: part("list"),
  tally: part("tally"), progress: part("progress"), reading: part("reading"), whole: part("whole"), words: part("words"),
  details: part("details"), table: part("table"), rows: part("rows"),
};
const stop = document.querySelector('[data-do="stop"]');
const viewTable = document.querySelector('[data-view="table"]');

const stacks = new Map();
const pending = new Map();
const lines = []; // all that the service said, for the table
const fileOf = new Map(); // finding → the file that it came from, to send it again
let shown = null;
let total = 0;
let ended = 0;
let pause = 0;

const viewer = new Viewer(document.querySelector("[data-viewer]"), {
  slice: () => {
    shown.isRead = true;
    hold(page.words);
    showAnswer(SCROLL_PAUSE_MS);
  },
  step: (direction) => step(direction),
  resend: (record) => resend(record),
});

const sender = new Sender({
  progress: (item, share) => pending.get(item)?.progress(share),
  record: (item, record) => take(item, record),
  done: (item) => finish(item),
  failed: (item, problem) => fail(item, problem.status ? problem.message : tr("The service cannot be reached."), true),
  idle: () => rest(),
});

function add(items) {
  if (!items.length) {
    page.tally.textContent = tr("There are no files in it.");
    page.results.hidden = false;
    return;
  }
  page.place.classList.add("busy");
  page.results.hidden = false;
  for (const item of items) {
    const waiting = new Pending(item);
    pending.set(item, waiting);
    page.list.append(waiting.row);
  }
  total += items.length;
  tell();
  sender.add(items);
}

function take(item, record) {
  lines.push(record);
  if (record.record === "error") {
    const waiting = pending.get(item);
    // One member of a zip that cannot be read has a row of its own; the others go on.
    const row = record.source.includes("::") || !waiting ? new Pending({ name: record.source.split("::")[0] }) : waiting;
    if (row !== waiting) page.list.append(row.row); else pending.delete(item);
    row.fail(errorWords(record));
  } else {
    put_in(item, record);
  }
  if (!page.table.hidden) page.rows.append(drawLine(record));
}

function put_in(item, record) {
  fileOf.set(record.id, item);
  const key = Stack.keyOf(record);
  const stack = stacks.get(key) ?? new Stack(key);
  stacks.set(key, stack);
  const isNew = stack.add(record);
  const row = drawRow(stack, stack === shown);
  const before = stack.row ?? pending.get(item)?.row;
  if (stack.row) stack.row.replaceWith(row);
  else if (before && record.finding.scan.frame_count === 1 && !record.finding.scan.source.includes("::")) {
    before.replaceWith(row);
  } else if (before) before.before(row);
  else page.list.append(row);
  stack.row = row;
  if (isNew) answerWhole(stack);
  if (!shown) open(stack);
  else if (stack === shown && isNew) viewer.open(stack.records, Math.max(0, stack.records.indexOf(viewer.record)));
}

function finish(item) {
  const waiting = pending.get(item);
  if (waiting && !waiting.row.classList.contains("failed")) waiting.row.remove();
  pending.delete(item);
  ended += 1;
  tell();
}

function fail(item, words, isOpen) {
  const waiting = pending.get(item);
  lines.push({ record: "error", error: "UnreadableScan", source: item.name, reason: words, advice: "", message: `${item.name}: ${words}` });
  waiting?.fail(words, isOpen ? () => add([item]) : null);
  pending.delete(item);
  ended += 1;
  tell();
}

function rest() {
  stop.hidden = true;
  page.progress.hidden = true;
  tell();
}

function tell() {
  const isBusy = ended < total;
  page.progress.hidden = !isBusy;
  stop.hidden = !isBusy;
  page.progress.max = Math.max(1, total);
  page.progress.value = ended;
  if (isBusy) page.tally.textContent = tr("{done} of {all} files", { done: ended, all: total });
  else if (shown && total === 1) {
    const { length } = shown.records;
    page.tally.textContent = length > 1 ? tr("{count} slices", { count: length }) : statusWords(shown.records[0].finding.status);
  } else page.tally.textContent = tr("{all} files answered", { all: total });
}

function open(stack, index = stack.first) {
  shown?.row?.querySelector("button")?.removeAttribute("aria-current");
  shown = stack;
  stack.row.querySelector("button").setAttribute("aria-current", "true");
  page.reading.hidden = !page.table.hidden;
  page.place.classList.add("open");
  page.words.style.minHeight = "";
  page.whole.innerHTML = stack.whole ?? "";
  viewer.open(stack.records, index);
  showAnswer(0);
}

function showAnswer(wait) {
  clearTimeout(pause);
  const { record } = viewer;
  const go = async () => {
    try {
      const answer = await answerOf(record.id);
      if (viewer.record === record) put(answer, page.words, page.details);
    } catch (problem) {
      if (viewer.record === record) lack(problem, page.words, page.details);
    }
  };
  if (wait) pause = setTimeout(go, wait); else go();
}

/** The answer for all slices of a series together, once no more of them come. */
function answerWhole(stack) {
  clearTimeout(stack.pause);
  stack.whole = "";
  if (stack === shown) page.whole.replaceChildren();
  if (stack.records.length < 2) return;
  stack.pause = setTimeout(async () => {
    const body = JSON.stringify(stack.records.map((one) => one.finding));
    try {
      const response = await ask(`${base}/study`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
      stack.whole = await response.text();
    } catch (problem) {
      if (stack === shown) lack(problem, page.whole);
      return;
    }
    if (stack !== shown) return;
    page.whole.innerHTML = stack.whole;
    // A reader who has not begun is led to the slice that decides.
    if (!stack.isRead && !document.activeElement.closest("[data-viewer]")) open(stack);
  }, WHOLE_PAUSE_MS);
}

function step(direction) {
  const all = [...page.list.querySelectorAll("[data-key]")].map((button) => stacks.get(button.dataset.key));
  const next = all[all.indexOf(shown) + direction];
  if (!next) return;
  open(next);
  next.row.scrollIntoView({ block: "nearest" });
  viewer.say(`${next.name}: ${next.counts.map(([status]) => statusWords(status)).join(", ")}`);
}

/** Send a file again whose pictures the service has forgotten. */
function resend(record) {
  const item = fileOf.get(record.id);
  if (!item) return;
  const stack = [...stacks.values()].find((one) => one.records.includes(record));
  for (const one of stack.records) forget(one.id);
  stack.row.remove();
  stacks.delete(stack.key);
  const files = new Set(stack.records.map((one) => fileOf.get(one.id)).filter(Boolean));
  if (shown === stack) shown = null;
  add([...files]);
}

function clearAll() {
  sender.stop();
  for (const known of [stacks, pending, fileOf]) known.clear();
  lines.length = 0;
  [shown, total, ended] = [null, 0, 0];
  page.list.replaceChildren();
  page.rows.replaceChildren();
  showTable(false);
  page.results.hidden = true;
  page.reading.hidden = true;
  page.place.classList.remove("open", "busy");
  document.querySelector('[data-choose="files"]').focus();
}

function showTable(isShown) {
  page.table.hidden = !isShown;
  page.reading.hidden = isShown || !shown;
  viewTable.setAttribute("aria-pressed", isShown);
  if (isShown) page.rows.replaceChildren(...lines.map(drawLine));
}

/** Lead the reader to what was asked for, where it stands below the list. */
function lead(to) {
  if (matchMedia("(max-width: 60rem)").matches) to.scrollIntoView({ block: "start" });
}

async function csv() {
  const body = JSON.stringify(lines.map((line) => line.finding ?? line));
  const response = await ask(`${base}/table.csv`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  download(await response.blob(), "findings.csv");
}

async function pdf() {
  const ids = [...new Set(lines.filter((line) => line.id).map((line) => line.id))];
  for (let from = 0; from < ids.length; from += MOST_PAGES) {
    const part = ids.slice(from, from + MOST_PAGES).map((id) => `id=${id}`);
    const response = await ask(`${api}/reports/findings.pdf?${part.join("&")}`);
    const number = ids.length > MOST_PAGES ? `-${1 + from / MOST_PAGES}` : "";
    download(await response.blob(), `findings${number}.pdf`);
  }
}

/** A button that waits for what it began, since that may take a while. */
async function wait(button, work) {
  button.disabled = true;
  try { await work(); } catch (problem) { alert(problem.message); } finally { button.disabled = false; }
}

// What the reader does.
for (const name of ["files", "folder"]) {
  const input = document.querySelector(`[data-input="${name}"]`);
  document.querySelector(`[data-choose="${name}"]`).addEventListener("click", () => input.click());
  const taken = () => {
    add(fromInput(input));
    input.value = "";
  };
  input.addEventListener("change", taken);
  if (input.files.length) taken(); // chosen before this script came
}
addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  page.drop.classList.add("over");
});
addEventListener("dragleave", (event) => { if (!event.relatedTarget) page.drop.classList.remove("over"); });
addEventListener("drop", async (event) => {
  event.preventDefault();
  page.drop.classList.remove("over");
  add(await fromTransfer(event.dataTransfer));
});
addEventListener("paste", async (event) => {
  if (event.target.closest?.("textarea, input") || !event.clipboardData.files.length) return;
  event.preventDefault();
  add(await fromTransfer(event.clipboardData));
});
page.list.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-key]");
  if (!button) return;
  showTable(false);
  open(stacks.get(button.dataset.key));
  lead(page.words);
});
page.rows.addEventListener("click", ({ target }) => {
  const id = target.dataset.open;
  const stack = id && [...stacks.values()].find((one) => one.records.some((each) => each.id === id));
  if (!stack) return;
  showTable(false);
  open(stack, stack.records.findIndex((one) => one.id === id));
});
document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-do]");
  const what = button?.dataset.do;
  if (what === "csv") wait(button, csv);
  else if (what === "pdf") wait(button, pdf);
  else if (what === "close-table") showTable(false);
  else if (what === "clear-all") clearAll();
  else if (what === "stop") for (const item of sender.stop()) fail(item, tr("stopped"), true);
});
viewTable.addEventListener("click", () => {
  showTable(page.table.hidden);
  if (!page.table.hidden) lead(page.table);
});
serve(page.details, (id, what) => {
  forget(id);
  if (what !== "deleted") {
    if (what === "taken") showAnswer(0);
    return;
  }
  const stack = [...stacks.values()].find((one) => one.records.some((each) => each.id === id));
  if (!stack) return;
  stack.records = stack.records.filter((one) => one.id !== id);
  if (stack.records.length) {
    answerWhole(stack);
    open(stack, 0);
    return;
  }
  stack.row.remove();
  stacks.delete(stack.key);
  shown = null;
  const [next] = stacks.values();
  if (next) open(next); else clearAll();
});
