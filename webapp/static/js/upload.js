// The upload page, on the site and in the admin: choose, check, send. Each step's own work is in a module beside this one;
// without scripts the form sends all files in one request.
import { Chosen, chosenBy, droppedBy } from "./upload-choosing.js";
import { DryRun, sentWords } from "./upload-dry-run.js";
import { Folders } from "./upload-folders.js";
import { hash } from "./upload-hashing.js";
import { announcedWith, matched } from "./upload-resume.js";
import { Sending } from "./upload-sending.js";
import { TablePanel } from "./upload-table.js";
import { SignedOut, ask, post, sendForm } from "./upload-talk.js";
import { Transfer } from "./upload-transfer.js";
import { count, files, size } from "./upload-words.js";

const form = document.querySelector("[data-upload]");
const part = (name) => form.querySelector(`[data-${name}]`);
const chosen = new Chosen();
const title = document.title;
const PICKERS = ["pick-files", "pick-folder"];
let tableFile = null;
let goingOn = null; // an upload that was begun earlier: { pending, receipt }
let fromFolder = false; // what is checked lies on the site's own machine
let found = null; // what of it was found among the chosen files
let transfer = null;
let stop = new AbortController();

const tablePanel = new TablePanel(part("table"), () => (fromFolder ? checkFolder() : check()));
const sending = new Sending(part("stage-send"));
const folders = part("folders") && new Folders(part("folders"), { doing, checkIt: () => checkFolder() });
const dryRun = new DryRun(part("stage-check"), { leave: (path) => chosen.remove(path), changed: showSent });

// --- what is said ------------------------------------------------------------------------------------------------------

function refuse(error) {
  part("refusal").textContent = error?.message ?? "";
  part("refusal").hidden = !error;
  part("refused-sign-in").hidden = !(error instanceof SignedOut);
  if (error) part("refused").scrollIntoView({ block: "nearest" });
}

// spoken: what a reader's voice says, once a step and not at each number
function busy(words, share = null, spoken = words) {
  part("busy").hidden = !words;
  part("busy-told").textContent = words;
  if (part("busy-spoken").textContent !== spoken) part("busy-spoken").textContent = spoken;
  if (share === null) part("busy-bar").removeAttribute("value");
  else part("busy-bar").value = share;
  for (const button of form.querySelectorAll("[data-step-on]")) button.disabled = Boolean(words) || !ready(button);
}

function ready(button) {
  if (button === part("check")) return chosen.size > 0;
  if (button === part("go-on")) return found?.length > 0;
  return !button.dataset.mayNot;
}

function stage(name) {
  for (const each of ["choose", "check", "send"]) {
    part(`stage-${each}`).hidden = each !== name;
    const step = part(`step-${each}`);
    if (each === name) step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  }
  const unfinished = document.querySelector(".unfinished");
  if (unfinished) unfinished.hidden = name !== "choose";
  part(`heading-${name}`)?.focus({ preventScroll: true });
  window.scrollTo({ top: 0 });
}

// one at a time: what goes wrong is told, and the buttons work again
async function doing(work) {
  stop.abort();
  stop = new AbortController();
  const { signal } = stop;
  refuse(null);
  try {
    await work(signal);
  } catch (error) {
    if (!signal.aborted) refuse(error);
  }
  if (!signal.aborted) busy("");
}

// --- choosing ----------------------------------------------------------------------------------------------------------

async function add(entries, signal) {
  await chosen.add(entries, (n) => busy(`Reading ${count(n)} of ${files(entries.length)}`, n / entries.length, "Reading the files"));
  if (!tableFile && !goingOn) {
    const table = chosen.takeTable();
    if (table) setTable(table.file);
  }
  showChosen();
  if (goingOn) await match(signal);
}

function setTable(file) {
  tableFile = file;
  tablePanel.forget();
  part("table-chosen").hidden = !file;
  part("table-told").textContent = file ? `${file.name}, ${size(file.size)}` : "";
  part("table-input").hidden = Boolean(file);
}

function showChosen() {
  const words = chosen.size ? `${files(chosen.size)}, ${size(chosen.bytes)}` : "";
  part("chosen-told").textContent = chosen.junk ? `${words} (${files(chosen.junk)} that systems hide left out)` : words;
  part("forget").hidden = !chosen.size;
  part("check").textContent = chosen.size ? `Check ${files(chosen.size)}` : "Check";
  const many = chosen.size > Number(form.dataset.most);
  refuse(many ? new Error(`An upload has at most ${count(Number(form.dataset.most))} files. Choose a part of them first.`) : null);
  busy("");
  part("check").disabled ||= many;
}

function forget() {
  chosen.clear();
  found = null;
  showChosen();
  showFound(null);
}

async function drop(event) {
  event.preventDefault();
  part("dropzone").classList.remove("over");
  if (part("stage-choose").hidden) return;
  await doing(async (signal) => {
    let n = 0;
    busy("Reading what was dropped");
    const entries = await droppedBy(event.dataTransfer, (more) => {
      n += more;
      if (n % 100 === 0) busy(`Reading the folder: ${files(n)}`, null, "Reading the folder");
    });
    await add(entries, signal);
  });
}

// --- checking ----------------------------------------------------------------------------------------------------------

function body() {
  const told = new FormData(form);
  for (const name of ["files", "folder", "path", "table"]) told.delete(name);
  if (tableFile) told.append("table", tableFile, tableFile.name);
  if (tableFile && tablePanel.mapping) told.append("mapping", JSON.stringify(tablePanel.mapping));
  return told;
}

function listing(entries) {
  const told = body();
  const listed = entries.map(({ path, file, sha256 }) => [path, file.size, sha256 ?? ""]);
  told.append("files", new Blob([JSON.stringify(listed)], { type: "application/json" }), "files.json");
  return told;
}

function place() {
  const told = body();
  for (const [name, value] of Object.entries(folders.told)) told.append(name, value);
  return told;
}

function check() {
  fromFolder = false;
  return doing(async (signal) => {
    const entries = chosen.all;
    let drawn = 0;
    busy("Reading the files", 0);
    await hash(
      entries,
      (done) => {
        const now = performance.now();
        if (now - drawn < 100 && done < entries.length) return;
        drawn = now;
        if (!signal.aborted) busy(`Checking ${count(done)} of ${count(entries.length)}`, done / entries.length, "Checking the files");
      },
      signal,
    );
    if (signal.aborted) return;
    busy("Asking the archive what it has already");
    const told = await post(form.dataset.check, listing(entries));
    if (signal.aborted) return;
    showCheck(told);
  });
}

function checkFolder() {
  fromFolder = true;
  return doing(async (signal) => {
    busy("Looking through the folder");
    const told = await post(form.dataset.checkImport, place());
    if (!signal.aborted) showCheck(told);
  });
}

function showCheck(told) {
  part("send").dataset.mayNot = told.refusal ? "yes" : "";
  part("check-refusal").textContent = told.refusal;
  part("check-refusal").hidden = !told.refusal;
  tablePanel.show(told.table, tableFile?.name ?? "");
  dryRun.show(told, { mayLeave: !fromFolder });
  if (part("stage-check").hidden) stage("check");
}

function showSent() {
  const { sent } = dryRun;
  part("sent-told").textContent = sent.length ? sentWords(sent) : "";
  part("nothing-new").hidden = sent.length > 0;
  part("send").textContent = sent.length ? `${fromFolder ? "Take in" : "Send"} ${files(sent.length)}` : "Nothing to send";
  if (!sent.length) part("send").dataset.mayNot = "yes";
  busy("");
}

// --- sending -----------------------------------------------------------------------------------------------------------

function announce() {
  return doing(async () => {
    const entries = chosen.all;
    busy("Making a line for every file");
    const told = await post(form.dataset.announce, listing(entries));
    const kinds = new Map(dryRun.sent.map(({ name, verdict }) => [name, verdict]));
    const items = announcedWith(told.items, entries);
    for (const item of items) item.kind ??= kinds.get(item.path);
    send(items, told.receipt);
  });
}

function takeIn() {
  return doing(async () => {
    busy("Starting");
    form.dataset.receipt = (await post(form.dataset.import, place())).receipt;
    leave();
  });
}

function send(items, receipt) {
  form.dataset.receipt = receipt;
  for (const link of form.querySelectorAll("[data-receipt-link]")) link.href = receipt;
  if (!items.length) return leave();
  stage("send");
  window.addEventListener("beforeunload", stay);
  transfer = new Transfer(items, changed);
  sending.follow(transfer);
  transfer.resume();
}

function changed() {
  if (!transfer) return; // not followed yet
  sending.changed(transfer);
  if (transfer.state !== "done") return;
  window.removeEventListener("beforeunload", stay);
  if (!transfer.failed.length) leave();
  else part("ended").hidden = false;
}

function stay(event) {
  event.preventDefault();
}

function leave() {
  sending.end();
  document.title = title;
  window.removeEventListener("beforeunload", stay);
  window.location.assign(form.dataset.receipt);
}

function cancel() {
  part("cancel-sure").hidePopover();
  transfer.cancel();
  return doing(async () => {
    await sendForm(`${form.dataset.receipt}/cancel`, form.dataset.receipt);
    leave();
  });
}

// --- going on with an earlier upload -----------------------------------------------------------------------------------

function goOnWith(button) {
  goingOn = { pending: button.dataset.goOnWith, receipt: button.dataset.receipt };
  form.classList.add("going-on");
  part("going-on").hidden = false;
  part("going-on-told").textContent = button.dataset.told;
  form.querySelector("[data-pick=folder]").focus();
  if (chosen.size) doing(match);
}

function startAnew() {
  goingOn = null;
  form.classList.remove("going-on");
  part("going-on").hidden = true;
  forget();
}

async function match(signal) {
  busy("Asking what has not arrived yet");
  const { items } = await ask(goingOn.pending);
  const told = (done) => busy(`Checking ${count(done)} files`, null, "Checking the files");
  const result = await matched(items, chosen.all, told, signal);
  if (signal.aborted) return;
  showFound(result);
}

function showFound(result) {
  found = result?.found ?? null;
  part("found").hidden = !result;
  part("go-on").hidden = !result?.found.length;
  if (!result) return;
  const all = result.found.length + result.missing.length;
  part("go-on").textContent = `Send the missing ${files(result.found.length)}`;
  part("found-told").textContent = !all
    ? "Every file has arrived."
    : `${count(result.found.length)} of the ${files(all)} that have not arrived were found among those that you chose.`;
  const names = result.missing.slice(0, 50).map(({ name }) => {
    const line = document.createElement("li");
    line.textContent = name;
    return line;
  });
  part("not-found").hidden = !names.length;
  part("not-found").querySelector("[data-n]").textContent = files(result.missing.length);
  part("not-found").querySelector("ul").replaceChildren(...names);
}

// what the input holds, if anything
function take(input) {
  const entries = chosenBy(input);
  input.value = "";
  if (entries.length) doing((signal) => add(entries, signal));
}

// --- the parts that are pressed ----------------------------------------------------------------------------------------

function listen() {
  for (const name of PICKERS) part(name).addEventListener("change", () => take(part(name)));
  for (const button of form.querySelectorAll("[data-pick]")) {
    button.addEventListener("click", () => part(`pick-${button.dataset.pick}`).click());
  }
  part("table-input").addEventListener("change", () => setTable(part("table-input").files[0] ?? null));
  part("table-forget").addEventListener("click", () => {
    part("table-input").value = "";
    setTable(null);
  });
  part("forget").addEventListener("click", forget);
  part("back").addEventListener("click", () => {
    stop.abort();
    busy("");
    showChosen();
    stage("choose");
  });
  part("send").addEventListener("click", () => (fromFolder ? takeIn() : announce()));
  part("pause").addEventListener("click", () => transfer.pause());
  part("resume").addEventListener("click", () => transfer.resume());
  part("retry").addEventListener("click", () => {
    part("ended").hidden = true;
    window.addEventListener("beforeunload", stay);
    transfer.retry();
  });
  part("cancel-now").addEventListener("click", cancel);
  part("start-anew").addEventListener("click", startAnew);
  part("go-on").addEventListener("click", () => send(found, goingOn.receipt));
  for (const button of document.querySelectorAll("[data-go-on-with]")) button.addEventListener("click", () => goOnWith(button));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen.size && !goingOn) check();
  });
}

// dropped beside the field, a file would open in this tab and take the page with it
function listenToDrops() {
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    part("dropzone").classList.toggle("over", !part("stage-choose").hidden);
  });
  window.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) part("dropzone").classList.remove("over");
  });
  window.addEventListener("drop", drop);
}

if (form && window.tus) {
  part("pick-files").removeAttribute("name"); // files go up one by one, not with the form
  listen();
  listenToDrops();
  showChosen();
  for (const name of PICKERS) take(part(name)); // chosen before this script was there
  if (part("table-input").files.length) setTable(part("table-input").files[0]);
  const wanted = new URLSearchParams(window.location.search).get("upload");
  const button = wanted && [...document.querySelectorAll("[data-go-on-with]")].find(({ dataset }) => dataset.uploadId === wanted);
  if (button) goOnWith(button);
}
