// Lengths that a reader draws, in mm where the spacing is known, else in pixels.
import { number, tr } from "./messages.js";

/** The length of a line on a slice, with its unit. Places are in pixels; whole ones are edges. */
export function lengthWords(line, spacing) {
  const across = line.to.x - line.from.x;
  const down = line.to.y - line.from.y;
  if (!spacing) return tr("{length} px", { length: number(Math.hypot(across, down)) });
  return `${number(Math.hypot(across * spacing[1], down * spacing[0]))} mm`;
}

/** The measurements of a page: of each slice its own, and gone with the page. */
export class Measurements {
  constructor() {
    this.lines = new Map();
    this.draft = null; // the line that is being drawn
    this.cross = null; // where the keys are
  }

  of(id) { return this.lines.get(id) ?? []; }

  start(place) { this.draft = { from: place, to: place }; }

  move(place) { if (this.draft) this.draft.to = place; }

  /** Keep the line; one without a length is none. */
  end(id) {
    const line = this.draft;
    this.draft = null;
    if (!line || Math.hypot(line.to.x - line.from.x, line.to.y - line.from.y) < 0.5) return null;
    this.lines.set(id, [...this.of(id), line]);
    return line;
  }

  cancel() { this.draft = null; }

  removeLast(id) { this.lines.set(id, this.of(id).slice(0, -1)); }

  clear(id) { this.lines.delete(id); this.draft = null; }
}
