// The pictures of slices: fetched once, kept for a while, and brought to the window that is asked.
const MOST_KEPT = 80;

/** The pictures of one finding. */
class Picture {
  constructor(record) {
    const { width, height, spacing_mm: spacing } = record.finding.scan;
    this.width = width;
    this.height = height;
    // Pixels are drawn as large as they are: a slice with longer rows than columns is not square.
    const [row, column] = spacing ?? [1, 1];
    const least = Math.min(row, column) || 1;
    this.aspect = { x: column / least, y: row / least };
    this.grey = null;
    this.heat = null;
    this.outline = null;
    this.toned = null;
    this.tone = "";
  }

  /** The slice at a window: grey levels from `level` - `width` / 2 to `level` + `width` / 2. */
  at(level, width, isInverted) {
    const tone = `${level}/${width}/${isInverted}`;
    if (tone === this.tone) return this.toned;
    const { data, columns, rows } = this.grey;
    const table = new Uint8ClampedArray(256);
    for (let grey = 0; grey < 256; grey += 1) {
      const shown = 255 * ((grey - (level - width / 2)) / width);
      table[grey] = isInverted ? 255 - Math.min(255, Math.max(0, shown)) : shown;
    }
    this.toned ??= new OffscreenCanvas(columns, rows);
    const context = this.toned.getContext("2d");
    const image = context.createImageData(columns, rows);
    for (let at = 0, to = 0; at < data.length; at += 1, to += 4) {
      const shown = table[data[at]];
      image.data[to] = shown;
      image.data[to + 1] = shown;
      image.data[to + 2] = shown;
      image.data[to + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    this.tone = tone;
    return this.toned;
  }

  /** The grey level at a place of the slice, or null outside. */
  greyAt(x, y) {
    if (!this.grey || x < 0 || y < 0 || x >= this.width || y >= this.height) return null;
    const { data, columns, rows } = this.grey;
    const column = Math.min(columns - 1, Math.floor((x * columns) / this.width));
    const row = Math.min(rows - 1, Math.floor((y * rows) / this.height));
    return data[row * columns + column];
  }
}

const kept = new Map();

/** The pictures of a finding; the same promise for everyone who asks. Fails where they are gone. */
export function pictureOf(record) {
  const known = kept.get(record.id);
  if (known) {
    kept.delete(record.id);
    kept.set(record.id, known);
    return known;
  }
  const loading = load(record);
  kept.set(record.id, loading);
  loading.catch(() => kept.delete(record.id));
  while (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  return loading;
}

async function load(record) {
  const picture = new Picture(record);
  const { slice, heatmap, mask } = record.links;
  const hasLesions = (record.finding.measurements?.lesions ?? []).length > 0;
  const [grey, heat, marked] = await Promise.all([
    bitmap(slice),
    heatmap ? bitmap(heatmap) : null,
    mask && hasLesions ? bitmap(mask) : null,
  ]);
  picture.grey = levels(grey);
  picture.heat = heat;
  picture.outline = marked ? outlineOf(levels(marked)) : null;
  return picture;
}

async function bitmap(address) {
  const response = await fetch(address, { credentials: "same-origin" });
  if (!response.ok) throw new Error(`HTTP ${response.status}`);
  return createImageBitmap(await response.blob(), { colorSpaceConversion: "none" });
}

/** One value a pixel of a grey picture. */
function levels(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const coloured = context.getImageData(0, 0, image.width, image.height).data;
  const data = new Uint8Array(image.width * image.height);
  for (let at = 0; at < data.length; at += 1) data[at] = coloured[4 * at];
  return { data, columns: image.width, rows: image.height };
}

/** The border of what is marked, along the edges of pixels. */
function outlineOf({ data, columns, rows }) {
  const path = new Path2D();
  const isMarked = (x, y) => x >= 0 && y >= 0 && x < columns && y < rows && data[y * columns + x] > 127;
  for (let y = 0; y < rows; y += 1) {
    for (let x = 0; x < columns; x += 1) {
      if (!isMarked(x, y)) continue;
      if (!isMarked(x - 1, y)) { path.moveTo(x, y); path.lineTo(x, y + 1); }
      if (!isMarked(x + 1, y)) { path.moveTo(x + 1, y); path.lineTo(x + 1, y + 1); }
      if (!isMarked(x, y - 1)) { path.moveTo(x, y); path.lineTo(x + 1, y); }
      if (!isMarked(x, y + 1)) { path.moveTo(x, y + 1); path.lineTo(x + 1, y + 1); }
    }
  }
  return path;
}
