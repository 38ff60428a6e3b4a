// Asking the service, on its own address alone.
import { tr } from "./messages.js";

const root = document.documentElement;
export const base = root.dataset.base;
export const api = root.dataset.api;
const token = document.querySelector('meta[name="csrf-token"]')?.content ?? "";

/** What the service said went wrong. */
export class Problem extends Error {
  constructor(status, detail, retryAfter = 0) {
    super(detail);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Headers that a request which changes something needs. */
export function safeHeaders() {
  return token ? { "X-CSRF-Token": token } : {};
}

/** The problem that a body of application/problem+json, or any other, tells. */
export function problemOf(status, text, retryAfter = 0) {
  let { detail, type } = { detail: "", type: "" };
  try { ({ detail, type } = JSON.parse(text)); } catch { /* no JSON: the status has to do */ }
  // What a program is told here, of tokens and headers, is no help to a reader.
  if (status === 401 || type === "urn:tumorlens:csrf") {
    detail = tr("Your session is over. Load the page anew and log in.");
  }
  return new Problem(status, detail || `HTTP ${status}`, Number(retryAfter) || 0);
}

/** A response that is fine; anything else is thrown as a Problem. */
export async function ask(address, options = {}) {
  const isSafe = !options.method || options.method === "GET";
  const headers = { ...(options.headers ?? {}), ...(isSafe ? {} : safeHeaders()) };
  const response = await fetch(address, { credentials: "same-origin", ...options, headers });
  if (response.redirected) throw problemOf(401, ""); // to the login, which is no answer
  if (!response.ok) {
    throw problemOf(response.status, await response.text(), response.headers.get("Retry-After"));
  }
  return response;
}

/** Hand the reader a file that was made here. */
export function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
