"use strict";
// Sorting and filtering of the long tables and galleries. The page is whole without it.

function valueOf(cell) {
  const text = cell.textContent.trim();
  const number = Number(text.replace(/[,%\s]/g, ""));
  return text !== "" && Number.isFinite(number) ? number : text.toLowerCase();
}

function compare(a, b) {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

function sortBy(table, header, column) {
  const down = header.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", down ? "descending" : "ascending");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows, (row) => [valueOf(row.cells[column]), row]);
  rows.sort((a, b) => (down ? compare(b[0], a[0]) : compare(a[0], b[0])));
  body.append(...rows.map((pair) => pair[1]));
}

function makeSortable(table) {
  Array.from(table.tHead.rows[0].cells).forEach((header, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    button.addEventListener("click", () => sortBy(table, header, column));
    header.append(button);
  });
}

function makeFilter(box, items, before) {
  const what = box.dataset.long;
  const line = document.createElement("div");
  const label = document.createElement("label");
  const input = document.createElement("input");
  const state = document.createElement("output");
  line.className = "filter";
  input.type = "search";
  input.placeholder = "name, label, word…";
  label.append("Filter " + what + " ", input);
  line.append(label, state);
  before.before(line);
  const texts = items.map((item) => item.textContent.toLowerCase());
  function apply() {
    const wanted = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    items.forEach((item, i) => {
      item.hidden = !wanted.every((word) => texts[i].includes(word));
      shown += item.hidden ? 0 : 1;
    });
    state.textContent = shown + " of " + items.length;
  }
  input.addEventListener("input", apply);
  apply();
}

const FEW = 6; // So many are seen at a glance and need no filter.

for (const table of document.querySelectorAll("table")) {
  if (table.tBodies[0].rows.length > 1 && table.id !== "overlap-table") makeSortable(table);
}
for (const box of document.querySelectorAll("[data-long]")) {
  const isTable = box.tagName === "TABLE";
  const items = Array.from(isTable ? box.tBodies[0].rows : box.querySelectorAll(".item"));
  if (items.length > FEW) makeFilter(box, items, isTable ? box.parentElement : box);
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
