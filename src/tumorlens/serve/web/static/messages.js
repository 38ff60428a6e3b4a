// The words that scripts say, in the reader's language.
// They came before all modules: a page that still waited for them would lose what is dropped on it.
const known = globalThis.tumorlensMessages ?? {};

/** A text in the reader's language; {names} are replaced by values. */
export function tr(text, values = {}) {
  const said = known[text] || text;
  return said.replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** The answer in a word or two. */
export function statusWords(status) {
  switch (status) {
    case "tumor": return tr("Tumor found");
    case "no_tumor": return tr("No tumor found");
    case "uncertain": return tr("Uncertain");
    case "rejected": return tr("Rejected");
    default: return tr("Not answered");
  }
}

/** A kind of tumor as a reader knows it. */
export function kindWords(name) {
  switch (name) {
    case null: case undefined: case "": return "";
    case "glioma": return tr("glioma");
    case "meningioma": return tr("meningioma");
    case "pituitary": return tr("pituitary tumor");
    case "tumor": return tr("tumor");
    case "no_tumor": return tr("no tumor");
    default: return name.replaceAll("_", " ");
  }
}

const language = document.documentElement.lang;
const decimals = new Intl.NumberFormat(language, { minimumFractionDigits: 1, maximumFractionDigits: 1, useGrouping: false, numberingSystem: "latn" });

/** A number with one decimal, as the reader's language writes it. */
export function number(value) { return decimals.format(value); }

/** A probability that never reads as certainty. */
export function percent(share) {
  if (share > 0.999) return `> ${number(99.9)} %`;
  if (share < 0.001) return `< ${number(0.1)} %`;
  return `${number(100 * share)} %`;
}

/** Why a file was not answered, where the reason is a common one; else as the service said it. */
export function reasonWords(reason) {
  const common = {
    "the file is empty": tr("the file is empty"),
    "it is text, not an image": tr("it is text, not an image"),
    "it is not an image known here": tr("it is not an image known here"),
    "there are no images in this zip": tr("there are no images in this zip"),
    "it is encrypted": tr("it is encrypted"),
  };
  return common[reason] ?? reason;
}

/** What to do about it, likewise. */
export function adviceWords(advice) {
  const common = {
    "Give DICOM, NIfTI, PNG, JPEG or TIFF": tr("Give DICOM, NIfTI, PNG, JPEG or TIFF"),
    "Get the file again": tr("Get the file again"),
  };
  return common[advice] ?? advice;
}

const times = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** Times on a page in the reader's own zone and manner. */
export function localTimes(within = document) {
  for (const time of within.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = times.format(date);
  }
}
