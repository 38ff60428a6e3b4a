// Two findings beside each other, moved together if the reader likes.
import { api, ask } from "./net.js";
import { localTimes } from "./messages.js";
import { Viewer } from "./viewer.js";

const linked = document.querySelector("[data-linked]");
const viewers = [];
for (const side of document.querySelectorAll("[data-side]")) {
  const viewer = new Viewer(side.querySelector("[data-viewer]"), {
    view: (view) => {
      if (!linked.checked) return;
      for (const other of viewers) if (other !== viewer) other.setView({ ...view }, false);
    },
  });
  viewers.push(viewer);
  ask(`${api}/findings/${side.dataset.finding}`)
    .then((response) => response.json())
    .then((record) => viewer.open([record]))
    .catch(() => { /* the words stay */ });
}
localTimes();
