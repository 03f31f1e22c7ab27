// Sends files by tus, four at a time and one a request, each in pieces of 8 MiB that go on where they stopped.
// What concerns all of them (no connection, session over, disk full) stops the queue and loses nothing; what concerns one file fails it.
import { token } from "./upload-talk.js";

const LANES = 4;
const PIECE_BYTES = 8 * 2 ** 20;
const TRIES = 4; // of one file that the site cannot take, each with three quick tries of its own
const QUICK_MS = [300, 1200, 4000];
const FIRST_REST_MS = 1500;
const LONGEST_REST_MS = 60_000;
const FIRST = { sidecar: 0, attached: 0, archive: 2 }; // words before their images, archives last

const jitter = (ms) => ms * (0.5 + Math.random());
const passing = (status) => status === 0 || status === 409 || status === 423 || status >= 500;

// The first question of tus is where to go on. For a file that was announced a moment ago the answer is known.
class Known {
  constructor(method, address, length) {
    Object.assign(this, { method, address, length });
  }
  getMethod() { return this.method; }
  getURL() { return this.address; }
  setHeader() {}
  getHeader() { return undefined; }
  setProgressHandler() {}
  getUnderlyingObject() { return null; }
  async abort() {}
  async send() {
    const headers = { "Upload-Offset": "0", "Upload-Length": String(this.length) };
    return { getStatus: () => 200, getHeader: (name) => headers[name], getBody: () => "", getUnderlyingObject: () => null };
  }
}

function stack(item) {
  const real = new window.tus.DefaultHttpStack();
  let asked = !item.fresh;
  return {
    getName: () => "Conchive",
    createRequest(method, address) {
      if (method !== "HEAD" || asked) return real.createRequest(method, address);
      asked = true;
      item.fresh = false;
      return new Known(method, address, item.file.size);
    },
  };
}

function said(error) {
  const status = error.originalResponse?.getStatus() ?? 0;
  let told = {};
  try {
    told = JSON.parse(error.originalResponse?.getBody() || "{}");
  } catch {
    // a proxy's page: its status says enough
  }
  return { status, text: told.detail || "" };
}

async function readable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

export class Transfer {
  state = "paused"; // sending, paused, waiting (goes on by itself), stopped (a person must act), cancelled, done
  why = ""; // of "stopped": signed-out, full, gone
  text = "";
  failed = []; // { item, text }
  sentFiles = 0;
  sentBytes = 0;
  #queue;
  #active = new Map(); // item -> what ends its sending early
  #running = 0;
  #rest = FIRST_REST_MS;
  #timer = null;

  // items: { file, path, address, kind, fresh }; changed(transfer) whenever its state is another
  constructor(items, changed) {
    const order = items.map((item, place) => [FIRST[item.kind] ?? 1, place, item]);
    this.#queue = order.sort((a, b) => b[0] - a[0] || b[1] - a[1]).map(([, , item]) => item); // taken from its end
    this.files = items.length;
    this.bytes = items.reduce((sum, item) => sum + item.file.size, 0);
    this.changed = changed;
    window.addEventListener("online", () => this.state === "waiting" && this.resume());
    window.addEventListener("offline", () => this.state === "sending" && this.#wait());
  }

  get loaded() {
    let bytes = this.sentBytes;
    for (const item of this.#active.keys()) bytes += item.loaded;
    return bytes;
  }

  get left() {
    return this.#queue.length + this.#active.size;
  }

  get failedBytes() {
    return this.failed.reduce((sum, { item }) => sum + item.file.size, 0);
  }

  resume() {
    clearTimeout(this.#timer);
    this.#turn("sending");
    for (let lane = this.#running; lane < LANES; lane += 1) this.#lane();
  }

  pause() {
    clearTimeout(this.#timer);
    this.#halt("paused");
  }

  cancel() {
    clearTimeout(this.#timer);
    this.#halt("cancelled");
  }

  retry() {
    for (const { item } of this.failed.reverse()) {
      item.tries = 0;
      this.#queue.push(item);
    }
    this.failed = [];
    this.resume();
  }

  #turn(state, why = "", text = "") {
    Object.assign(this, { state, why, text });
    this.changed(this);
  }

  #halt(state, why = "", text = "") {
    this.#turn(state, why, text);
    for (const end of [...this.#active.values()]) end();
  }

  #wait() {
    const rest = jitter(this.#rest);
    this.#rest = Math.min(this.#rest * 2, LONGEST_REST_MS);
    this.until = Date.now() + rest;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.resume(), rest);
    this.#halt("waiting");
  }

  async #lane() {
    this.#running += 1;
    while (this.state === "sending" && this.#queue.length) {
      const item = this.#queue.pop();
      await this.#judge(item, await this.#send(item));
    }
    this.#running -= 1;
    if (this.state === "sending" && !this.#running && !this.#queue.length) this.#turn("done");
  }

  #send(item) {
    item.loaded = 0;
    return new Promise((done) => {
      const end = (outcome) => {
        this.#active.delete(item);
        done(outcome);
      };
      const upload = new window.tus.Upload(item.file, {
        uploadUrl: item.address,
        chunkSize: PIECE_BYTES,
        retryDelays: QUICK_MS.map(jitter),
        storeFingerprintForResuming: false,
        httpStack: stack(item),
        onBeforeRequest: (request) => request.setHeader("X-CSRFToken", token()),
        onShouldRetry: (error) => navigator.onLine && passing(said(error).status),
        onProgress: (bytes) => {
          item.loaded = bytes;
        },
        onSuccess: () => end({ ok: true }),
        onError: (error) => end(said(error)),
      });
      this.#active.set(item, () => {
        upload.abort();
        end({ aborted: true });
      });
      upload.start();
    });
  }

  async #judge(item, { ok, aborted, status, text }) {
    if (ok) {
      this.sentFiles += 1;
      this.sentBytes += item.file.size;
      this.#rest = FIRST_REST_MS;
      return;
    }
    if (!aborted && status === 0 && !(await readable(item.file))) {
      this.#fail(item, "The file cannot be read any more. Was it moved, or changed? Choose it again later: this upload can go on.");
      return;
    }
    if (!aborted && status !== 0 && !this.#ofAll(status)) {
      item.tries = (item.tries ?? 0) + 1;
      if (!passing(status) || item.tries >= TRIES) this.#fail(item, text || `The site could not take it (${status}).`);
      else this.#queue.unshift(item); // the others first
      return;
    }
    this.#queue.push(item);
    if (this.state !== "sending" || aborted) return;
    if (status === 401 || status === 403) this.#halt("stopped", "signed-out", text);
    else if (status === 429 || status === 507) this.#halt("stopped", "full", text);
    else if (status === 404 || status === 410) this.#halt("stopped", "gone", text);
    else this.#wait();
  }

  #ofAll(status) {
    return [401, 403, 404, 410, 429, 502, 503, 504, 507].includes(status);
  }

  #fail(item, text) {
    this.failed.push({ item, text });
    this.changed(this);
  }
}
