// Drawing one pane of the viewer: slice, evidence, outline, diameters, measurements.
import { lengthWords } from "./measure.js";

const MARK = "#7de3ff";
const RULER = "#ffe27a";
const HALO = "rgb(0 0 0 / 75%)";

/** Where a slice lies in a pane: places of the slice to places of the pane, and back. */
export class Placement {
  constructor(picture, view, width, height) {
    const whole = { x: picture.width * picture.aspect.x, y: picture.height * picture.aspect.y };
    const scale = Math.min(width / whole.x, height / whole.y) * view.zoom;
    this.scale = { x: scale * picture.aspect.x, y: scale * picture.aspect.y };
    this.left = width / 2 - view.x * picture.width * this.scale.x;
    this.top = height / 2 - view.y * picture.height * this.scale.y;
  }

  toPane({ x, y }) { return { x: this.left + x * this.scale.x, y: this.top + y * this.scale.y }; }

  toSlice({ x, y }) { return { x: (x - this.left) / this.scale.x, y: (y - this.top) / this.scale.y }; }
}

/** The context of a canvas as large as its element, in points of the page. */
export function prepared(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  const [columns, rows] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** The slice, and over it the evidence if `opacity` is more than 0. */
export function drawSlice(context, picture, placement, { level, width, invert, opacity }) {
  const size = { x: picture.width * placement.scale.x, y: picture.height * placement.scale.y };
  context.imageSmoothingEnabled = placement.scale.x < 6; // larger pixels are shown as they are
  context.imageSmoothingQuality = "high";
  context.drawImage(picture.at(level, width, invert), placement.left, placement.top, size.x, size.y);
  if (opacity > 0 && picture.heat) {
    context.imageSmoothingEnabled = true;
    context.globalAlpha = opacity;
    context.drawImage(picture.heat, placement.left, placement.top, size.x, size.y);
    context.globalAlpha = 1;
  }
}

/** The border of what is marked, and the diameters of each lesion. */
export function drawOutline(context, picture, placement, lesions) {
  if (picture.outline) {
    const moved = new Path2D();
    const { scale, left, top } = placement;
    moved.addPath(picture.outline, new DOMMatrix([scale.x, 0, 0, scale.y, left, top]));
    twice(context, MARK, 1.5, () => context.stroke(moved));
  }
  for (const lesion of lesions) {
    for (const [from, to] of [lesion.longest_ends, lesion.perpendicular_ends]) {
      // (row, column), where whole numbers are centres of pixels
      const [a, b] = [from, to].map(([y, x]) => placement.toPane({ x: x + 0.5, y: y + 0.5 }));
      context.setLineDash([4, 3]);
      twice(context, MARK, 1, () => line(context, a, b));
      context.setLineDash([]);
    }
  }
}

/** What the reader measured, the line that is being drawn, and the cross of the keys. */
export function drawMeasurements(context, placement, { lines, draft, cross }, spacing) {
  for (const one of draft ? [...lines, draft] : lines) {
    const [a, b] = [placement.toPane(one.from), placement.toPane(one.to)];
    twice(context, RULER, 1.75, () => { line(context, a, b); tick(context, a, b); tick(context, b, a); });
    label(context, lengthWords(one, spacing), { x: Math.max(a.x, b.x) + 8, y: (a.x > b.x ? a.y : b.y) });
  }
  if (cross) {
    const { x, y } = placement.toPane(cross);
    twice(context, RULER, 1.25, () => {
      line(context, { x: x - 12, y }, { x: x - 3, y });
      line(context, { x: x + 3, y }, { x: x + 12, y });
      line(context, { x, y: y - 12 }, { x, y: y - 3 });
      line(context, { x, y: y + 3 }, { x, y: y + 12 });
    });
  }
}

function line(context, a, b) {
  context.beginPath();
  context.moveTo(a.x, a.y);
  context.lineTo(b.x, b.y);
  context.stroke();
}

function tick(context, at, other) {
  const length = Math.hypot(other.x - at.x, other.y - at.y) || 1;
  const [x, y] = [(5 * (other.y - at.y)) / length, (-5 * (other.x - at.x)) / length];
  line(context, { x: at.x - x, y: at.y - y }, { x: at.x + x, y: at.y + y });
}

/** Light lines with a dark rim are seen on every tissue. */
function twice(context, colour, width, draw) {
  context.strokeStyle = HALO;
  context.lineWidth = width + 2;
  draw();
  context.strokeStyle = colour;
  context.lineWidth = width;
  draw();
}

function label(context, text, { x, y }) {
  context.font = "600 13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  context.lineWidth = 4;
  context.strokeStyle = HALO;
  context.strokeText(text, x, y);
  context.fillStyle = RULER;
  context.fillText(text, x, y);
}
