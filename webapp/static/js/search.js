// The bar: a picture that is chosen, dropped anywhere on the page or pasted is asked with at once, an image of the archive that is
// dropped as well; and a search that takes long says what it is at. Without this script the forms have their buttons.
const form = document.querySelector("[data-picture-form]");
const root = document.documentElement;
const SLOW_MS = 2000;
const AGAIN_MS = 1000;
const SAID = {
  encode: "Still encoding the words…",
  search: "Still searching the index…",
  fetch: "Still fetching the images…",
};

function ask(files) {
  const picture = [...files].find((file) => file.type.startsWith("image/") || /\.(tiff?|dcm|jp2)$/i.test(file.name));
  if (!picture) return false;
  const carried = new DataTransfer();
  carried.items.add(picture);
  form.elements.picture.files = carried.files;
  form.requestSubmit();
  return true;
}

// A card of a gallery is dragged as its link; only the archive's own addresses count.
function askWithStored(address) {
  const found = address.startsWith(location.origin) && address.match(/\/images\/([0-9a-f-]{36})/);
  if (found) location.assign(`${document.querySelector("[data-search-form]")?.getAttribute("action") ?? "/"}?image=${found[1]}`);
}

if (form) {
  form.elements.picture.addEventListener("change", () => form.requestSubmit());
  document.addEventListener("paste", (event) => ask(event.clipboardData.files));
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    root.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) root.classList.remove("dropping");
  });
  document.addEventListener("dragend", () => root.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    root.classList.remove("dropping");
    if (!ask(event.dataTransfer.files)) askWithStored(event.dataTransfer.getData("text/uri-list"));
  });
}

// --- picking from the archive: the page behind the link, in a dialog ---------------------------------------------------
const sheet = document.getElementById("pick");

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-pick-image]");
  if (!opener || !sheet || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  sheet.showModal();
  window.htmx.ajax("GET", opener.href, { target: "[data-pick-list]", swap: "innerHTML" });
});

// --- a search under way -----------------------------------------------------------------------------------------------
const waiting = document.querySelector("[data-waiting]");
let timer;

async function tellStage(word) {
  let said = "The site has not answered yet…";
  try {
    const answer = await fetch("/search-stage", { headers: { Accept: "application/json" } });
    if (answer.ok) said = SAID[(await answer.json()).stage] ?? said;
  } catch {
    said = "The site cannot be reached. The search goes on as soon as it answers.";
  }
  if (!timer) return;
  waiting.textContent = said;
  timer = setTimeout(tellStage, AGAIN_MS, word);
}

function begun() {
  const word = Array.from(crypto.getRandomValues(new Uint8Array(8)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  document.cookie = `asking=${word}; path=/; max-age=60; samesite=strict`;
  root.classList.add("asking");
  clearTimeout(timer);
  timer = setTimeout(tellStage, SLOW_MS, word);
}

function over() {
  clearTimeout(timer);
  timer = undefined;
  root.classList.remove("asking");
  if (waiting) waiting.textContent = "";
}

if (waiting) {
  document.addEventListener("submit", (event) => { if (event.target.matches("[data-search-form], [data-picture-form]")) begun(); });
  addEventListener("pageshow", over);  // also when the back button shows this page as it was left
}
