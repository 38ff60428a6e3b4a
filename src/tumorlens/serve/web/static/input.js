// Pointers, wheel and keys of the viewer. Keys count only while the picture has the focus.

const PAN_STEP = 0.05; // of the slice's side
const KEYS = {
  "+": "zoom-in", "=": "zoom-in", "-": "zoom-out", "−": "zoom-out", 0: "fit",
  PageUp: "previous", PageDown: "next", Home: "first", End: "last",
  "[": "darker", "]": "brighter", "{": "harder", "}": "softer", i: "invert",
  o: "overlay", "<": "weaker", ">": "stronger", l: "outline", s: "sides", "?": "help",
};
const TOOLS = { w: "window", p: "pan", m: "measure" };
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export function listen(viewer) {
  const { stage } = viewer;
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (pressed(viewer, event)) event.preventDefault();
  });
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("wheel", (event) => wheel(viewer, event), { passive: false });
  new Pointers(viewer);
}

/** Do what a key says; whether it says anything. */
function pressed(viewer, event) {
  const { key } = event;
  if (KEYS[key]) viewer.act(KEYS[key]);
  else if (TOOLS[key]) chooseTool(viewer, TOOLS[key]);
  else if (ARROWS[key]) arrow(viewer, ARROWS[key], event.shiftKey);
  else if (key === "n" || key === "b") viewer.told.step?.(key === "n" ? 1 : -1);
  else if (viewer.tool === "measure") return measureKey(viewer, key);
  else return false;
  return true;
}

function chooseTool(viewer, tool) {
  viewer.setTool(tool);
  if (tool === "measure" && viewer.picture) {
    viewer.measured.cross = { x: viewer.picture.width / 2, y: viewer.picture.height / 2 };
    viewer.draw();
  }
}

function arrow(viewer, [x, y], isLarge) {
  const { picture, measured } = viewer;
  if (!picture) return;
  if (viewer.tool !== "measure") {
    const step = (PAN_STEP * (isLarge ? 3 : 1)) / viewer.view.zoom;
    viewer.pan(x * step * picture.width, y * step * picture.height);
    return;
  }
  const step = isLarge ? 10 : 1;
  const from = measured.cross ?? { x: picture.width / 2, y: picture.height / 2 };
  measured.cross = {
    x: Math.min(picture.width, Math.max(0, from.x + x * step)),
    y: Math.min(picture.height, Math.max(0, from.y + y * step)),
  };
  measured.move(measured.cross);
  if (measured.draft) viewer.sayLength(measured.draft);
  viewer.draw();
}

function measureKey(viewer, key) {
  const { measured, record } = viewer;
  if (!record) return false;
  if (key === "Enter" || key === " ") setPoint(viewer, measured.cross);
  else if (key === "Backspace" || key === "Delete") measured.removeLast(record.id);
  else if (key === "Escape") viewer.setTool("window");
  else return false;
  viewer.draw();
  return true;
}

/** The start of a line, or its end. */
function setPoint(viewer, place) {
  const { measured, record } = viewer;
  if (!place) return;
  if (!measured.draft) {
    measured.start(place);
    return;
  }
  measured.move(place);
  const line = measured.end(record.id);
  if (line) viewer.sayLength(line);
}

function wheel(viewer, event) {
  event.preventDefault();
  const isUp = event.deltaY < 0;
  if (event.ctrlKey || viewer.slices.length < 2) {
    viewer.zoom(isUp ? 1.15 : 1 / 1.15, viewer.pointers.place(event));
    return;
  }
  // Trackpads send many small steps.
  viewer.wheeled = (viewer.wheeled ?? 0) + (event.deltaMode ? 40 * event.deltaY : event.deltaY);
  if (Math.abs(viewer.wheeled) < 30) return;
  viewer.wheeled = 0;
  viewer.act(isUp ? "previous" : "next");
}

/** Dragging with one pointer, pinching with two. */
class Pointers {
  constructor(viewer) {
    this.viewer = viewer;
    viewer.pointers = this;
    this.down = new Map();
    this.travelled = 0;
    const { stage } = viewer;
    stage.addEventListener("pointerdown", (event) => this.start(event));
    stage.addEventListener("pointermove", (event) => this.move(event));
    for (const name of ["pointerup", "pointercancel"]) {
      stage.addEventListener(name, (event) => this.end(event));
    }
    stage.addEventListener("pointerleave", () => { viewer.parts.read.textContent = ""; });
  }

  /** Where an event is in its pane. */
  place(event) {
    const pane = event.target.closest?.("[data-pane]") ?? this.viewer.main.parentElement;
    const box = pane.querySelector("canvas").getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  start(event) {
    const { viewer } = this;
    if (!viewer.picture || event.target.closest("button")) return;
    viewer.stage.focus({ preventScroll: true });
    viewer.stage.setPointerCapture(event.pointerId);
    this.pane = event.target.closest("[data-pane]") ?? viewer.main.parentElement;
    this.down.set(event.pointerId, this.at(event));
    this.travelled = 0;
    this.spread = this.distance();
    this.drags = event.button === 2 || event.button === 1 ? "pan" : viewer.tool;
    if (this.drags === "measure" && this.down.size === 1 && !viewer.measured.draft) {
      viewer.measured.start(this.slicePlace(event));
      this.isNew = true;
    } else {
      this.isNew = false;
    }
  }

  at(event) {
    const box = this.pane.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  slicePlace(event) { return this.viewer.placement().toSlice(this.at(event)); }

  distance() {
    if (this.down.size !== 2) return 0;
    const [a, b] = [...this.down.values()];
    return Math.hypot(a.x - b.x, a.y - b.y);
  }

  move(event) {
    const { viewer } = this;
    if (!viewer.picture) return;
    const before = this.down.get(event.pointerId);
    if (!before) {
      this.hover(event);
      return;
    }
    const now = this.at(event);
    this.down.set(event.pointerId, now);
    const [x, y] = [now.x - before.x, now.y - before.y];
    this.travelled += Math.hypot(x, y);
    if (this.down.size === 2) this.pinch(x, y);
    else this.drag(event, x, y);
  }

  hover(event) {
    const { viewer } = this;
    this.pane = event.target.closest?.("[data-pane]") ?? viewer.main.parentElement;
    const place = this.slicePlace(event);
    if (viewer.measured.draft) { // started by a click: the end follows the pointer
      viewer.measured.move(place);
      viewer.draw();
    }
    const grey = viewer.picture.greyAt(place.x, place.y);
    viewer.parts.read.textContent = grey === null ? "" : `${Math.floor(place.x)}, ${Math.floor(place.y)}: ${grey}`;
  }

  pinch(x, y) {
    const { viewer } = this;
    viewer.measured.cancel();
    const spread = this.distance();
    const [a, b] = [...this.down.values()];
    if (this.spread > 0 && spread > 0) {
      viewer.zoom(spread / this.spread, { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
    }
    this.spread = spread;
    this.pan(x / 2, y / 2);
  }

  pan(x, y) {
    const { scale } = this.viewer.placement();
    this.viewer.pan(-x / scale.x, -y / scale.y);
  }

  drag(event, x, y) {
    const { viewer } = this;
    if (this.drags === "pan") this.pan(x, y);
    else if (this.drags === "measure") {
      viewer.measured.move(this.slicePlace(event));
      viewer.draw();
    } else {
      // As in every reading room: across for contrast, down for darker.
      const { level, width } = viewer.window;
      viewer.setWindow({ level: level + y * 0.6, width: width + x * 0.8 });
    }
  }

  end(event) {
    const { viewer } = this;
    if (!this.down.delete(event.pointerId) || this.down.size) return;
    if (this.drags === "measure" && viewer.measured.draft) {
      const isClick = this.travelled < 4;
      // A click sets the start, and the next one the end; a drag does both.
      if (!(isClick && this.isNew)) {
        const line = viewer.measured.end(viewer.record.id);
        if (line) viewer.sayLength(line);
      }
      viewer.draw();
    } else if (this.drags === "pan" && this.travelled < 2 && event.button === 0 && event.pointerType === "mouse") {
      // Without dragging: a click brings its place to the middle.
      const place = this.slicePlace(event);
      const { picture, view } = viewer;
      viewer.pan(place.x - view.x * picture.width, place.y - view.y * picture.height);
    }
  }
}
