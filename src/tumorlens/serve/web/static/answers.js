// The words and details of a finding, as the service writes them, around the viewer.
import { api, ask, base, problemOf } from "./net.js";
import { localTimes, tr } from "./messages.js";

const MOST_KEPT = 300;
const kept = new Map();

/** The two halves of an answer as text of the page; the same promise for everyone who asks. */
export function answerOf(id) {
  const known = kept.get(id);
  if (known) return known;
  const loading = load(id);
  kept.set(id, loading);
  loading.catch(() => kept.delete(id));
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return loading;
}

export function forget(id) { kept.delete(id); }

async function load(id) {
  const response = await fetch(`${base}/findings/${id}/answer`, { credentials: "same-origin" });
  if (response.redirected) throw problemOf(401, ""); // to the login
  if (!response.ok && response.status !== 404) throw problemOf(response.status, "");
  if (response.status === 404) setTimeout(() => kept.delete(id));
  const parsed = new DOMParser().parseFromString(await response.text(), "text/html");
  const half = (name) => parsed.querySelector(`[data-part="${name}"]`)?.innerHTML ?? "";
  return { words: half("words"), details: half("details") };
}

/** Keep the room of the longest words, so that the picture stays where it is while slices go by. */
export function hold(wordsAt) {
  wordsAt.style.minHeight = `${wordsAt.offsetHeight}px`;
}

/** Put an answer on the page; its forms are served by `serve`. */
export function put({ words, details }, wordsAt, detailsAt) {
  wordsAt.innerHTML = words;
  detailsAt.innerHTML = details;
  localTimes(detailsAt);
}

/** Say in place of an answer why there is none. */
export function lack(problem, wordsAt, detailsAt) {
  const told = document.createElement("p");
  told.className = "told bad";
  told.textContent = problem.status ? problem.message : tr("The service cannot be reached.");
  wordsAt.replaceChildren(told);
  detailsAt?.replaceChildren();
}

/**
 * Serve the forms within an element: a reader's word, taking it back, deleting a finding.
 *
 * @param changed Called with (id, what) after "said", "taken" and "deleted".
 */
export function serve(root, changed) {
  root.addEventListener("submit", (event) => {
    const { feedback: id } = event.target.dataset;
    if (!id) return;
    event.preventDefault();
    say(event.target, id, changed);
  });
  root.addEventListener("change", ({ target }) => {
    // Whoever chooses a label means to say it.
    if (target.name === "label") {
      target.form.querySelector('[value="other_label"]').checked = true;
    }
  });
  root.addEventListener("click", ({ target }) => {
    const { takeBack, delete: deleted } = target.dataset ?? {};
    if (takeBack) act(target, `${api}/findings/${takeBack}/feedback`, () => changed(takeBack, "taken"));
    if (deleted && confirm(tr("Delete this finding with its pictures and readings?"))) {
      act(target, `${api}/findings/${deleted}`, () => changed(deleted, "deleted"));
    }
  });
}

async function say(form, id, changed) {
  const given = new FormData(form);
  const verdict = given.get("verdict");
  const status = form.querySelector('[role="status"]');
  if (!verdict) {
    status.textContent = tr("Choose one of the readings first.");
    return;
  }
  const body = { verdict, comment: given.get("comment").trim() };
  if (verdict === "other_label") body.label = given.get("label");
  try {
    await ask(`${api}/findings/${id}/feedback`, {
      method: "PUT", body: JSON.stringify(body), headers: { "Content-Type": "application/json" },
    });
    status.textContent = tr("Saved.");
    changed(id, "said");
  } catch (problem) {
    status.textContent = problem.message;
  }
}

async function act(button, address, then) {
  try {
    await ask(address, { method: "DELETE" });
    then();
  } catch (problem) {
    alert(problem.message);
  }
}
