// Sending files a few at a time, and reading their answers line by line as they come.
import { api, problemOf, safeHeaders } from "./net.js";

const MOST_FILES = 24;
const MOST_BYTES = 48 * 1024 * 1024;
const AT_A_TIME = 2;
const MOST_TRIES = 8;
const BUSY = new Set([429, 503]);

/**
 * Sends what it is given, in order. It tells, through the functions that it is made with:
 * progress(item, share), record(item, record), done(item), failed(item, problem), idle().
 */
export class Sender {
  constructor(tell) {
    this.tell = tell;
    this.waiting = [];
    this.running = new Set();
  }

  add(items) {
    this.waiting.push(...items);
    this.next();
  }

  get isBusy() { return this.waiting.length > 0 || this.running.size > 0; }

  /** Send nothing more; what was sent already may still be answered, but is not waited for. */
  stop() {
    const stopped = [...this.waiting];
    this.waiting = [];
    for (const part of [...this.running]) {
      part.isStopped = true;
      part.request?.abort();
      stopped.push(...part.items.filter((item) => !part.ended.has(item)));
    }
    this.running.clear();
    return stopped;
  }

  next() {
    while (this.running.size < AT_A_TIME && this.waiting.length) {
      const part = { items: this.take(), ended: new Set(), frames: new Map(), tries: 0 };
      this.running.add(part);
      this.send(part);
    }
    if (!this.isBusy) this.tell.idle();
  }

  /** So many files that a request stays small; one that is larger goes alone. */
  take() {
    let bytes = 0;
    let count = 0;
    for (const { file } of this.waiting) {
      if (count && (count >= MOST_FILES || bytes + file.size > MOST_BYTES)) break;
      bytes += file.size;
      count += 1;
    }
    return this.waiting.splice(0, count);
  }

  send(part) {
    const left = part.items.filter((item) => !part.ended.has(item));
    const form = new FormData();
    for (const item of left) form.append("files", item.file, item.name);
    const request = new XMLHttpRequest();
    part.request = request;
    let read = 0;
    request.open("POST", `${api}/findings/stream`);
    for (const [name, value] of Object.entries(safeHeaders())) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => this.spread(left, event.loaded);
    request.upload.onload = () => left.forEach((item) => this.tell.progress(item, 1));
    const readLines = (isEnd) => {
      if (request.status !== 200) return;
      const text = request.responseText;
      const end = isEnd ? text.length : text.lastIndexOf("\n") + 1;
      const lines = text.slice(read, end).split("\n").filter(Boolean);
      read = Math.max(read, end);
      for (const line of lines) this.take_line(part, line);
    };
    request.onprogress = () => readLines(false);
    request.onload = () => { readLines(true); this.loaded(part, request); };
    request.onerror = () => this.fail(part, problemOf(0, ""));
    request.send(form);
  }

  /** How much of each file has left, from how much of all has. */
  spread(items, loaded) {
    let before = 0;
    for (const item of items) {
      const share = Math.min(1, Math.max(0, (loaded - before) / (item.file.size || 1)));
      this.tell.progress(item, share);
      before += item.file.size;
    }
  }

  take_line(part, line) {
    let record;
    try { record = JSON.parse(line); } catch { return; } // cut off; the end of the request tells
    if (record.record === "finding") this.found(part, record);
    else if (record.record === "error") this.refused(part, record);
    else if (record.record === "problem") part.problem = problemOf(record.status, line);
    else if (record.record === "summary") part.isWhole = true;
  }

  found(part, record) {
    const item = this.owner(part, record.finding.scan.source);
    if (!item) return;
    this.tell.record(item, record);
    const { frame_count: count } = record.finding.scan;
    const seen = (part.frames.get(item) ?? 0) + 1;
    part.frames.set(item, seen);
    if (seen >= count && !record.finding.scan.source.includes("::")) this.end(part, item);
  }

  refused(part, record) {
    const item = this.owner(part, record.source);
    if (!item) return;
    this.tell.record(item, record);
    if (!record.source.includes("::")) this.end(part, item);
  }

  /** The file that a line is of: by its name, or the name of the zip that it lies in. */
  owner(part, source) {
    const open = part.items.filter((item) => !part.ended.has(item));
    const name = source.split("::")[0];
    return open.find((item) => item.name === source) ?? open.find((item) => item.name === name)
      ?? open[0];
  }

  end(part, item) {
    part.ended.add(item);
    this.tell.done(item);
  }

  loaded(part, request) {
    if (part.isStopped) return;
    if (request.status === 200 && part.isWhole) {
      for (const item of part.items) if (!part.ended.has(item)) this.end(part, item);
      this.finish(part);
      return;
    }
    this.fail(part, part.problem ?? problemOf(
      request.status === 200 ? 0 : request.status,
      request.responseText,
      request.getResponseHeader("Retry-After"),
    ));
  }

  /** Try again where the service is busy; tell it where it is not, or was for too long. */
  fail(part, problem) {
    if (part.isStopped) return;
    if (BUSY.has(problem.status) && part.tries < MOST_TRIES) {
      part.tries += 1;
      part.problem = undefined;
      setTimeout(() => part.isStopped || this.send(part), 1000 * Math.max(1, problem.retryAfter));
      return;
    }
    const left = part.items.filter((item) => !part.ended.has(item));
    // A request in which nothing can be read fails as a whole, with a reason for each file.
    for (const item of left) this.tell.failed(item, problem);
    this.finish(part);
  }

  finish(part) {
    this.running.delete(part);
    this.next();
  }
}
