// The page of one finding; with a history, the other slices of its stack are beside it.
import { answerOf, forget, hold, lack, put, serve } from "./answers.js";
import { localTimes } from "./messages.js";
import { api, ask, base } from "./net.js";
import { Stack } from "./results.js";
import { Viewer } from "./viewer.js";

const MOST_SLICES = 200;
const page = document.querySelector("[data-reading]");
const [words, details] = ["words", "details"].map((name) => page.querySelector(`[data-${name}]`));
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
  const { series, frame_count: count, sha256 } = record.finding.scan;
  if (!record.expires || (count < 2 && !series)) return;
  const wanted = count > 1 ? `sha256=${sha256}` : `batch=${record.batch}`;
  const list = await (await ask(`${api}/findings?${wanted}&limit=${MOST_SLICES}`)).json();
  const stack = new Stack(Stack.keyOf(record));
  stack.add(record);
  for (const one of list.items) if (Stack.keyOf(one) === stack.key) stack.add(one);
  viewer.open(stack.records, stack.records.indexOf(record));
}

serve(page, (id, what) => {
  forget(id);
  if (what === "deleted") location.assign(`${base}/history`);
  else if (what === "taken") show();
});
localTimes();
start().catch(() => { /* the words stay; the viewer is empty */ });
