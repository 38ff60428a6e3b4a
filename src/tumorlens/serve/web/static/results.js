// The results of a page: files that wait or failed, and stacks of slices, in a list and a table.
import { api } from "./net.js";
import { adviceWords, kindWords, percent, reasonWords, statusWords, tr } from "./messages.js";

const ORDER = ["tumor", "uncertain", "no_tumor", "rejected"];
const icons = `${document.querySelector(".brand use").getAttribute("href").split("#")[0]}#`;

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", icons + name);
  svg.append(use);
  return svg;
}

export function statusElement(status, words = statusWords(status)) {
  return element("span", { class: `status ${status}` }, icon(status), words);
}

/** Slices that belong together: a series, a volume, or one picture. */
export class Stack {
  constructor(key) {
    this.key = key;
    this.records = [];
    this.row = null;
  }

  static keyOf(record) {
    const { series, sha256, frame_count: count, width, height } = record.finding.scan;
    // A single picture is its own stack, under whatever name it comes; slices of another size do not lie on it.
    return series || count > 1 ? `${series ?? sha256}/${width}x${height}` : record.id;
  }

  /** Add a slice at its place; whether it was not there. */
  add(record) {
    if (this.records.some((one) => one.id === record.id)) return false;
    this.records.push(record);
    const place = ({ position_mm: position, frame }) => [position ?? Infinity, frame];
    this.records.sort((one, other) => {
      const [a, b] = [place(one.finding.scan), place(other.finding.scan)];
      return a[0] === b[0] ? a[1] - b[1] : a[0] - b[0];
    });
    return true;
  }

  get name() {
    const [first] = this.records;
    const { source } = first.finding.scan;
    const folder = source.split(/[/\\]/).slice(0, -1).join("/");
    const isOfFiles = this.records.length > 1 && first.finding.scan.frame_count === 1;
    return (isOfFiles && folder) || source;
  }

  /** Status → how many slices have it, the gravest first. */
  get counts() {
    return ORDER.map((status) => [status, this.records.filter((one) => one.finding.status === status).length])
      .filter(([, count]) => count);
  }

  /** The slice that is looked at first: of the gravest answer the one with the highest figure. */
  get first() {
    const [[status]] = this.counts;
    let best = 0;
    let highest = -1;
    this.records.forEach(({ finding }, place) => {
      const share = finding.tumor_probability ?? 0;
      if (finding.status === status && share > highest) [best, highest] = [place, share];
    });
    return best;
  }
}

/** A file that waits, is being sent or answered, or failed. */
export class Pending {
  constructor(item) {
    this.item = item;
    this.bar = element("progress", { max: 1, value: 0, "aria-label": item.name });
    this.words = element("span", { class: "small soft" }, tr("waiting"));
    this.row = element("li", { class: "pending" }, element("span", { class: "name" }, item.name), this.words, this.bar);
  }

  progress(share) {
    this.bar.value = share;
    this.words.textContent = share < 1 ? tr("sending") : tr("being answered");
    if (share >= 1) this.bar.removeAttribute("value");
  }

  /** Say why there is no answer, and let the file be sent again. */
  fail(words, again) {
    this.row.className = "failed";
    this.bar.remove();
    this.words.className = "why";
    this.words.textContent = words;
    this.row.prepend(statusElement("rejected", tr("Not answered")));
    if (again) {
      const button = element("button", { type: "button", class: "quiet" }, tr("Send again"));
      button.addEventListener("click", () => { this.row.remove(); again(); });
      this.row.append(button);
    }
  }
}

/** Why a file has no answer, in words. */
export function errorWords({ source, reason, advice }) {
  const inner = source.includes("::") ? `${source.split("::").slice(1).join("::")}: ` : "";
  const tail = advice ? `. ${adviceWords(advice)}` : "";
  return `${inner}${reasonWords(reason)}${tail}`;
}

/** The row of a stack in the list. */
export function drawRow(stack, isShown) {
  const best = stack.records[stack.first];
  const { finding } = best;
  const isOne = stack.records.length === 1;
  const image = element("img", {
    src: `${api}/findings/${best.id}/thumbnail.png?side=96`, width: 56, height: 56, alt: "", loading: "lazy",
  });
  const answers = stack.counts.map(([status, count]) => statusElement(
    status,
    isOne ? undefined : `${statusWords(status)} · ${count}`,
  ));
  const means = finding.status !== "rejected" && finding.tumor_probability !== null;
  const facts = isOne
    ? [kindWords(finding.label), means ? percent(finding.tumor_probability) : ""].filter(Boolean).join(" · ")
    : tr("{count} slices", { count: stack.records.length });
  const button = element(
    "button",
    { type: "button", "data-key": stack.key, "aria-current": isShown ? "true" : null },
    image,
    element("span", { class: "text" },
      element("span", { class: "name" }, stack.name),
      element("span", { class: "answers" }, ...answers),
      facts ? element("span", { class: "small soft" }, facts) : null),
  );
  return element("li", { class: "result" }, button);
}

/** The row of a slice, or of an error, in the table. */
export function drawLine(line) {
  if (line.record === "error") {
    return element("tr", {}, element("td", { class: "name" }, line.source),
      element("td", {}, statusElement("rejected", tr("Not answered"))), element("td"), element("td"),
      element("td", {}, errorWords(line)));
  }
  const { finding } = line;
  const { source, frame, frame_count: count } = finding.scan;
  const name = count > 1 ? `${source}#${frame + 1}` : source;
  const means = finding.status !== "rejected" && finding.tumor_probability !== null;
  const open = element("button", { type: "button", class: "quiet link", "data-open": line.id }, name);
  return element("tr", {}, element("td", { class: "name" }, open),
    element("td", {}, statusElement(finding.status)),
    element("td", {}, kindWords(finding.label)),
    element("td", { class: "number" }, means ? percent(finding.tumor_probability) : ""),
    element("td", {}, line.repeated ? tr("answered before") : ""));
}
