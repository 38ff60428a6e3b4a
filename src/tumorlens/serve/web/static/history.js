// The list of findings: what can be done with those that are chosen.
import { localTimes } from "./messages.js";

localTimes();
const form = document.querySelector("[data-chosen]");
if (form) {
  const [compare, pdf] = ["compare", "pdf"].map((name) => form.querySelector(`[data-${name}]`));
  const update = () => {
    const count = form.querySelectorAll(":checked").length;
    compare.disabled = count !== 2;
    pdf.disabled = count < 1;
  };
  form.addEventListener("change", update);
  update();
}
