// The viewer: what it shows, its controls, and when it is drawn. Pointers and keys are in input.js.
import { drawMeasurements, drawOutline, drawSlice, Placement, prepared } from "./draw.js";
import { listen } from "./input.js";
import { lengthWords, Measurements } from "./measure.js";
import { percent, statusWords, tr } from "./messages.js";
import { pictureOf } from "./pictures.js";

const LARGEST_ZOOM = 32;
const SMALLEST_ZOOM = 0.5;
const NEIGHBOURS = 2;
const EDGE = 12; // points of the page between the viewer and the notice
const FIT = { zoom: 1, x: 0.5, y: 0.5 };
const WHOLE_WINDOW = { level: 128, width: 255, invert: false };

export class Viewer {
  /**
   * @param root The element of `_viewer.html`.
   * @param told Functions: slice(index), step(direction), resend(record), view(view).
   */
  constructor(root, told = {}) {
    this.root = root;
    this.told = told;
    this.slices = [];
    this.index = 0;
    this.picture = null;
    this.view = { ...FIT };
    this.window = { ...WHOLE_WINDOW };
    this.show = { overlay: true, opacity: 0.7, outline: true, sides: false };
    this.measured = new Measurements();
    this.find();
    this.tool = matchMedia("(pointer: coarse)").matches ? "pan" : "window";
    this.setTool(this.tool);
    listen(this);
    this.wire();
    new ResizeObserver(() => this.draw()).observe(this.stage);
    const room = new ResizeObserver(() => requestAnimationFrame(() => this.takeRoom()));
    for (const one of [document.body, this.parts.words, this.parts.slices]) if (one) room.observe(one);
  }

  /** Make the picture as high as the words above and the controls around it leave room for. */
  takeRoom() {
    if (!this.parts.words || !this.stage.offsetHeight) return;
    const above = this.root.getBoundingClientRect().top + scrollY;
    const controls = this.root.offsetHeight - this.stage.offsetHeight;
    const notice = document.querySelector(".notice").offsetHeight;
    const room = Math.floor(innerHeight - above - controls - notice - EDGE);
    this.stage.style.setProperty("--room", `${room}px`);
  }

  find() {
    const part = (name) => this.root.querySelector(`[data-${name}]`);
    this.stage = part("stage");
    this.panes = [...this.root.querySelectorAll("[data-pane]")];
    this.main = this.panes.find((pane) => pane.dataset.pane === "main").querySelector("canvas");
    this.parts = {
      zoom: part("zoom"), slices: part("slices"), slice: part("slice"), place: part("place"),
      strip: part("strip"), say: part("say"), read: part("read"), lost: part("lost"),
      help: part("help"), tag: part("tag"), opacity: part("opacity"), level: part("level"),
      width: part("width"), outline: part("outline-label"),
      words: this.root.closest("[data-reading]")?.querySelector("[data-words]"),
    };
  }

  wire() {
    this.root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (button) this.act(button.dataset.do);
    });
    this.root.addEventListener("input", ({ target }) => {
      if (target.dataset.tool !== undefined) this.setTool(target.value);
      else if (target === this.parts.slice) this.go(Number(target.value) - 1);
      else if (target === this.parts.opacity) this.change({ opacity: target.value / 100, overlay: true });
      else if (target === this.parts.level) this.setWindow({ level: Number(target.value) });
      else if (target === this.parts.width) this.setWindow({ width: Number(target.value) });
      else if (target.dataset.show === "invert") this.setWindow({ invert: target.checked });
      else if (target.dataset.show) this.change({ [target.dataset.show]: target.checked });
    });
  }

  /** What a button or a key asks for. */
  act(what) {
    const acts = {
      "zoom-in": () => this.zoom(1.25), "zoom-out": () => this.zoom(0.8), fit: () => this.reset(),
      sides: () => this.change({ sides: !this.show.sides }),
      overlay: () => this.change({ overlay: !this.show.overlay }),
      outline: () => this.change({ outline: !this.show.outline }),
      invert: () => this.setWindow({ invert: !this.window.invert }),
      weaker: () => this.change({ opacity: Math.max(0, this.show.opacity - 0.1), overlay: true }),
      stronger: () => this.change({ opacity: Math.min(1, this.show.opacity + 0.1), overlay: true }),
      darker: () => this.setWindow({ level: this.window.level + 8 }),
      brighter: () => this.setWindow({ level: this.window.level - 8 }),
      harder: () => this.setWindow({ width: this.window.width - 12 }),
      softer: () => this.setWindow({ width: this.window.width + 12 }),
      previous: () => this.go(this.index - 1), next: () => this.go(this.index + 1),
      first: () => this.go(0), last: () => this.go(this.slices.length - 1),
      clear: () => { this.measured.clear(this.record?.id); this.draw(); },
      help: () => this.parts.help.showModal(),
    };
    acts[what]?.();
  }

  get record() { return this.slices[this.index]; }

  /** Show a stack of findings; the view starts anew unless it is the same stack that grew. */
  open(slices, index = 0) {
    const isSame = this.slices.length > 0 && slices.includes(this.record);
    this.slices = [...slices];
    this.index = Math.min(index, slices.length - 1);
    if (!isSame) {
      this.view = { ...FIT };
      this.window = { ...WHOLE_WINDOW };
      this.measured.cross = null;
    }
    this.parts.slices.hidden = slices.length < 2;
    this.parts.slice.max = slices.length;
    this.load();
  }

  go(index) {
    const wanted = Math.min(this.slices.length - 1, Math.max(0, index));
    if (wanted === this.index || !this.slices.length) return;
    this.index = wanted;
    this.load();
    this.told.slice?.(wanted);
    const { status, tumor_probability: share } = this.record.finding;
    const known = share === null || status === "rejected" ? "" : `, ${percent(share)}`;
    this.say(`${this.placeWords()}: ${statusWords(status)}${known}`);
  }

  placeWords() {
    return tr("Slice {number} of {count}", { number: this.index + 1, count: this.slices.length });
  }

  async load() {
    const { record } = this;
    this.parts.slice.value = this.index + 1;
    this.parts.place.textContent = `${this.index + 1} / ${this.slices.length}`;
    this.parts.slice.setAttribute("aria-valuetext", this.placeWords());
    this.measured.cancel();
    this.drawStrip();
    try {
      const picture = await pictureOf(record);
      if (this.record !== record) return; // the reader is further already
      this.picture = picture;
      this.parts.lost.hidden = true;
    } catch {
      if (this.record !== record) return;
      this.picture = null;
      this.lose(record);
    }
    this.root.dataset.shown = record.id;
    this.update();
    for (let away = 1; away <= NEIGHBOURS; away += 1) {
      for (const near of [this.slices[this.index + away], this.slices[this.index - away]]) {
        if (near) pictureOf(near).catch(() => {});
      }
    }
  }

  lose(record) {
    const { lost } = this.parts;
    lost.textContent = tr("The picture of this slice is no longer kept.");
    lost.hidden = false;
    if (this.told.resend) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = tr("Send the file again");
      button.addEventListener("click", () => this.told.resend(record));
      lost.append(" ", button);
    }
  }

  setTool(tool) {
    this.tool = tool;
    this.measured.cancel();
    if (tool !== "measure") this.measured.cross = null;
    this.stage.dataset.tool = tool;
    for (const input of this.root.querySelectorAll("[data-tool]")) {
      if (input.value !== undefined && input.type === "radio") input.checked = input.value === tool;
    }
    this.draw();
  }

  change(changes) {
    Object.assign(this.show, changes);
    this.update();
  }

  setWindow(changes) {
    const { level, width, invert } = { ...this.window, ...changes };
    this.window = {
      level: Math.min(255, Math.max(0, level)),
      width: Math.min(255, Math.max(1, width)),
      invert,
    };
    this.update();
  }

  reset() {
    this.window = { ...WHOLE_WINDOW };
    this.setView({ ...FIT });
  }

  /** Zoom, keeping a place of the pane where it is. */
  zoom(factor, at = null) {
    const pane = { x: this.main.clientWidth / 2, y: this.main.clientHeight / 2 };
    const still = at ?? pane;
    const before = this.placement()?.toSlice(still);
    const zoom = Math.min(LARGEST_ZOOM, Math.max(SMALLEST_ZOOM, this.view.zoom * factor));
    this.view = { ...this.view, zoom };
    const after = this.placement()?.toSlice(still);
    if (!before) return;
    this.pan(before.x - after.x, before.y - after.y);
  }

  /** Move the middle of the pane by so many pixels of the slice. */
  pan(x, y) {
    const inside = (value) => Math.min(1, Math.max(0, value));
    this.setView({
      zoom: this.view.zoom,
      x: inside(this.view.x + x / this.picture.width),
      y: inside(this.view.y + y / this.picture.height),
    });
  }

  setView(view, isOurs = true) {
    this.view = view;
    this.update();
    if (isOurs) this.told.view?.(view);
  }

  placement(canvas = this.main) {
    if (!this.picture) return null;
    return new Placement(this.picture, this.view, canvas.clientWidth, canvas.clientHeight);
  }

  say(text) { this.parts.say.textContent = text; }

  sayLength(line) { this.say(lengthWords(line, this.record.finding.scan.spacing_mm)); }

  /** Bring controls and picture to what is chosen. */
  update() {
    const { zoom, tag, opacity, level, width, outline } = this.parts;
    zoom.textContent = `${Math.round(100 * this.view.zoom)} %`;
    opacity.value = Math.round(100 * this.show.opacity);
    opacity.setAttribute("aria-valuetext", `${opacity.value} %`);
    level.value = this.window.level;
    width.value = this.window.width;
    const checked = { ...this.show, invert: this.window.invert };
    for (const box of this.root.querySelectorAll("[data-show]")) box.checked = checked[box.dataset.show];
    this.root.querySelector('[data-do="sides"]').setAttribute("aria-pressed", this.show.sides);
    const hasHeat = Boolean(this.picture?.heat);
    this.root.querySelector('[data-show="overlay"]').disabled = !hasHeat;
    opacity.disabled = !hasHeat;
    outline.hidden = !this.picture?.outline;
    this.panes[0].hidden = !this.show.sides;
    this.stage.classList.toggle("two", this.show.sides);
    this.stage.classList.toggle("fits", this.view.zoom <= 1);
    tag.textContent = hasHeat && this.show.overlay ? tr("With evidence") : "";
    this.draw();
  }

  draw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => { this.isDue = false; this.paint(); });
  }

  paint() {
    for (const pane of this.panes) {
      if (pane.hidden) continue;
      const canvas = pane.querySelector("canvas");
      const { context, width, height } = prepared(canvas);
      if (!this.picture || !width) continue;
      const placement = new Placement(this.picture, this.view, width, height);
      const isMain = pane.dataset.pane === "main";
      const opacity = isMain && this.show.overlay ? this.show.opacity : 0;
      const [level, tones] = [Math.round(this.window.level), Math.round(this.window.width)];
      const { invert } = this.window;
      drawSlice(context, this.picture, placement, { level, width: tones, invert, opacity });
      const { scan, measurements } = this.record.finding;
      if (isMain && this.show.outline) {
        drawOutline(context, this.picture, placement, measurements?.lesions ?? []);
      }
      const { draft, cross } = this.measured;
      const lines = this.measured.of(this.record.id);
      drawMeasurements(context, placement, { lines, draft, cross }, scan.spacing_mm);
      this.root.querySelector('[data-do="clear"]').hidden = !lines.length;
    }
  }

  /** Which answer each slice of the stack has, above the slider: higher where there is more. */
  drawStrip() {
    if (this.slices.length < 2) return;
    const { context, width, height } = prepared(this.parts.strip);
    const style = getComputedStyle(this.root);
    const heights = { tumor: 1, uncertain: 0.7, no_tumor: 0.35, rejected: 0.15 };
    const step = width / this.slices.length;
    this.slices.forEach((record, place) => {
      const { status } = record.finding;
      const tall = height * heights[status];
      context.fillStyle = style.getPropertyValue(`--strip-${status}`);
      context.fillRect(place * step, height - tall, Math.max(1, step - (step > 3 ? 1 : 0)), tall);
    });
  }
}
