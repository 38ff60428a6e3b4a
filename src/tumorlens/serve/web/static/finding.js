// The page of one finding; with a history, the other slices of its stack are beside it.
import { answerOf, forget, hold, lack, put, serve } from "./answers.js";
import { localTimes } from "./messages.js";
import { api, ask, base } from "./net.js";
import { Stack } from "./results.js";
import { Viewer } from "./viewer.js";

const MOST_SLICES = 4000;
const AT_ONCE = 200; // as many as the service lists
const page = document.querySelector("[data-reading]");
const [whole, words, details] = ["whole", "words", "details"].map((name) => page.querySelector(`[data-${name}]`));
let pause = 0;

const viewer = new Viewer(page.querySelector("[data-viewer]"), {
  slice: () => {
    hold(words);
    clearTimeout(pause);
    pause = setTimeout(show, 60);
  },
});

async function show() {
  const { record } = viewer;
  try {
    const answer = await answerOf(record.id);
    if (viewer.record !== record) return;
    put(answer, words, details);
    history.replaceState(null, "", `${base}/findings/${record.id}`);
  } catch (problem) {
    if (viewer.record === record) lack(problem, words, details);
  }
}

async function start() {
  const record = await (await ask(`${api}/findings/${page.dataset.finding}`)).json();
  viewer.open([record]);
  const { series, frame_count: count } = record.finding.scan;
  if (!record.expires || (count < 2 && !series)) return;
  const stack = new Stack(Stack.keyOf(record));
  for (const one of await slicesOf(record)) stack.add(one);
  viewer.open(stack.records, stack.records.indexOf(record));
  if (stack.records.length > 1) await answerWhole(stack);
}

/** The slices of its series or volume, each once: others may have sent the same, or had it cut otherwise. */
async function slicesOf(record) {
  const { scan, model } = record.finding;
  const wanted = scan.series ? `series=${encodeURIComponent(scan.series)}` : `sha256=${scan.sha256}`;
  const place = (one) => `${one.finding.scan.sha256}/${one.finding.scan.frame}`;
  const found = new Map();
  for (let offset = 0, total = 1; offset < Math.min(total, MOST_SLICES); offset += AT_ONCE) {
    const list = await (await ask(`${api}/findings?${wanted}&sort=created&offset=${offset}&limit=${AT_ONCE}`)).json();
    ({ total } = list);
    for (const one of list.items) {
      const { scan: its, model: by } = one.finding;
      const fits = its.width === scan.width && its.height === scan.height && its.frame_count === scan.frame_count;
      if (!fits || by.sha256 !== model.sha256) continue;
      if (!found.has(place(one)) || one.batch === record.batch) found.set(place(one), one);
    }
  }
  found.set(place(record), record);
  return found.values();
}

/** The answer for all of them together. */
async function answerWhole(stack) {
  const body = JSON.stringify(stack.records.map((one) => one.finding));
  const response = await ask(`${base}/study`, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  whole.innerHTML = await response.text();
}

serve(page, (id, what) => {
  forget(id);
  if (what === "deleted") location.assign(`${base}/history`);
  else if (what === "taken") show();
});
localTimes();
start().catch(() => { /* the words stay; the viewer is empty */ });
