// Files from wherever a reader has them: dropped, chosen, pasted, whole folders.

/** A file with the name that it is sent under: its path, where it came with a folder. */
function named(file, path) {
  return { file, name: clean(path || file.webkitRelativePath || file.name || "picture.png") };
}

// The service keeps as much of a name, and no control characters; so both know a file alike.
const LONGEST_NAME = 255;
function clean(name) {
  // eslint-disable-next-line no-control-regex
  const printable = name.normalize("NFC").replace(/[\u0000-\u001f\u007f-\u009f]/g, "\ufffd").replaceAll('"', "'");
  return [...printable.trim()].slice(-LONGEST_NAME).join("") || "picture";
}

const SKIPPED = new Set(["thumbs.db", "desktop.ini", "dicomdir", "__macosx", ".ds_store"]);
const isSkipped = (name) => name.startsWith(".") || SKIPPED.has(name.toLowerCase());

/** Files of an input element. */
export function fromInput(input) {
  const isFolder = input.hasAttribute("webkitdirectory");
  return [...input.files]
    .filter((file) => !isFolder || !file.webkitRelativePath.split("/").some(isSkipped))
    .map((file) => named(file))
    .sort(byName);
}

/** Files of a drop or a paste, folders and what is in them included. */
export async function fromTransfer(transfer) {
  const items = [...(transfer.items ?? [])].filter((item) => item.kind === "file");
  // Entries must be asked for before the event is over.
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile());
  if (!entries.length) return [...transfer.files].map((file) => named(file));
  const found = [];
  for (const entry of entries) {
    if (entry instanceof File) found.push(named(entry));
    else if (entry) await walk(entry, "", found);
  }
  return found;
}

async function walk(entry, folder, found) {
  const path = folder + entry.name;
  if (entry.isFile) {
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    if (file) found.push(named(file, path));
    return;
  }
  const reader = entry.createReader();
  const inside = [];
  // A folder is told in parts, until an empty one.
  for (;;) {
    const part = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
    if (!part.length) break;
    inside.push(...part);
  }
  for (const one of inside.filter((each) => !isSkipped(each.name)).sort(byName)) {
    await walk(one, `${path}/`, found);
  }
}

const order = new Intl.Collator("en", { numeric: true });
function byName(one, other) { return order.compare(one.name, other.name); }
