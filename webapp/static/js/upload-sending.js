// The transfer as people follow it: how much, how fast, how long still; spoken rarely, and never file by file.
import { Rows, cell } from "./upload-rows.js";
import { count, files, lasting, size } from "./upload-words.js";

const DRAWN_MS = 500;
const SPOKEN_MS = 20_000;
const WINDOW_MS = 15_000; // the speed is that of the last quarter of a minute

export class Sending {
  #samples = [];
  #spoken = 0;
  #timer = null;
  #listed = -1;

  constructor(part) {
    this.part = part;
    const inside = (name) => part.querySelector(`[data-${name}]`);
    [this.bar, this.told, this.speed, this.spoken, this.stop] = ["progress", "told", "speed", "spoken", "stop"].map(inside);
    [this.pause, this.resume, this.signIn] = ["pause", "resume", "sign-in"].map(inside);
    [this.failures, this.failedTold] = ["failures", "failed-told"].map(inside);
    this.rows = new Rows(inside("failed"), ({ item, text }) => {
      const row = document.createElement("tr");
      row.append(cell(item.path, "file"), cell(text));
      return row;
    });
  }

  follow(transfer) {
    this.transfer = transfer;
    this.#timer = setInterval(() => this.#draw(), DRAWN_MS);
    this.#draw();
  }

  end() {
    clearInterval(this.#timer);
  }

  // the transfer's state is another
  changed(transfer) {
    const { state, why } = transfer;
    const words = this.#words(transfer);
    this.stop.textContent = words;
    this.stop.hidden = !words;
    this.stop.className = `message ${state === "stopped" ? "error" : ""}`;
    this.signIn.hidden = why !== "signed-out";
    this.pause.hidden = state !== "sending";
    this.resume.hidden = !["paused", "stopped", "waiting"].includes(state) || why === "gone";
    this.resume.textContent = state === "waiting" ? "Try now" : "Resume";
    if (state !== "sending") this.#samples = [];
    this.#draw();
    this.#speak(true);
  }

  #words({ state, why, text, until }) {
    if (state === "paused") return "Paused. What has arrived stays; nothing is sent until you resume.";
    if (state === "waiting") {
      const rest = lasting(Math.max(1, (until - Date.now()) / 1000));
      return `The site cannot be reached. Sending goes on by itself; next try in ${rest}.`;
    }
    if (state !== "stopped") return "";
    if (why === "signed-out") return "Your session is over. Sign in in another tab, then resume: nothing is lost.";
    if (why === "full") return `${text || "There is no room for more files."} Everything waits: resume when there is room.`;
    return text || "This upload is no longer here for you.";
  }

  #draw() {
    const { transfer } = this;
    if (!transfer) return;
    const loaded = transfer.loaded + transfer.failedBytes;
    const share = transfer.bytes ? loaded / transfer.bytes : (transfer.sentFiles + transfer.failed.length) / transfer.files;
    this.bar.value = Math.min(1, share);
    this.bar.textContent = `${Math.floor(share * 100)} %`;
    this.told.textContent = `${count(transfer.sentFiles)} of ${files(transfer.files)}, ${size(loaded)} of ${size(transfer.bytes)}`;
    this.speed.textContent = transfer.state === "sending" ? this.#pace(loaded) : "";
    if (transfer.state === "waiting") this.stop.textContent = this.#words(transfer);
    document.title = `${Math.floor(share * 100)} % sent – Conchive`;
    this.#drawFailed();
    this.#speak(false);
  }

  #drawFailed() {
    const { failed } = this.transfer;
    if (failed.length === this.#listed) return;
    this.#listed = failed.length;
    this.failures.hidden = !failed.length;
    this.failedTold.textContent = `${files(failed.length)} could not be sent`;
    this.rows.renew(failed);
  }

  #pace(loaded) {
    const now = performance.now();
    const done = this.transfer.sentFiles + this.transfer.failed.length;
    this.#samples.push({ now, loaded, done });
    while (now - this.#samples[0].now > WINDOW_MS) this.#samples.shift();
    const first = this.#samples[0];
    const seconds = (now - first.now) / 1000;
    if (seconds < 2) return "";
    const bytesA = (loaded - first.loaded) / seconds;
    const filesA = (done - first.done) / seconds;
    if (bytesA <= 0) return "";
    const byBytes = (this.transfer.bytes - loaded) / bytesA;
    const byFiles = filesA > 0 && this.transfer.left > 8 ? this.transfer.left / filesA : 0; // many small files: each costs its own time
    return `${size(bytesA)} a second, ${lasting(Math.max(byBytes, byFiles))} left`;
  }

  #speak(now) {
    if (!now && performance.now() - this.#spoken < SPOKEN_MS) return;
    this.#spoken = performance.now();
    const { transfer } = this;
    const words = transfer && this.#words(transfer);
    this.spoken.textContent = words || (transfer ? `${count(transfer.sentFiles)} of ${files(transfer.files)} sent.` : "");
  }
}
