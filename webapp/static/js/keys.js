// The keyboard: / and ? everywhere, the rest on the cards of a gallery. A card has the focus when its link has it.
import { keep, kept } from "./keeping.js";

const letters = document.querySelector("[data-letters]");
const help = document.getElementById("keys");

const cards = () => [...document.querySelectorAll("[data-gallery] .hit a.cover")];

// One letter can be pressed by mistake, or by speech: whoever wants to can turn them off.
if (letters) {
  letters.checked = kept("letters") !== "off";
  letters.addEventListener("change", () => keep("letters", letters.checked ? "on" : "off"));
}
for (const opener of document.querySelectorAll("[data-opens]")) {
  opener.addEventListener("click", () => document.getElementById(opener.dataset.opens).showModal());
}
for (const sheet of document.querySelectorAll("dialog.sheet")) {
  sheet.addEventListener("click", (event) => { if (event.target === sheet) sheet.close(); });  // beside it
}

// Edges rather than indexes decide what is above and below: rows hold as many cards as their shapes allow.
function beside(from, key) {
  const all = cards();
  const at = all.indexOf(from);
  if (key === "ArrowRight") return all[at + 1];
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "Home") return all[0];
  if (key === "End") return all[all.length - 1];
  const box = (card) => card.closest(".hit").getBoundingClientRect();
  const here = box(from);
  const middle = here.left + here.width / 2;
  const down = key === "ArrowDown";
  const ahead = all.map((card) => [card, box(card)]).filter(([, other]) => (down ? other.top >= here.bottom - 1 : other.bottom <= here.top + 1));
  if (!ahead.length) return undefined;
  const row = down ? Math.min(...ahead.map(([, other]) => other.top)) : Math.max(...ahead.map(([, other]) => other.top));
  const off = ([, other]) => Math.abs(other.left + other.width / 2 - middle);
  return ahead.filter(([, other]) => Math.abs(other.top - row) < 2).reduce((best, next) => (off(next) < off(best) ? next : best))[0];
}

function to(card) {
  card.focus({ preventScroll: true });
  card.closest(".hit").scrollIntoView({ block: "nearest" });
}

// Liking and disliking ask anew: the card that was judged by a key has the focus again on the page that comes, where it is there.
const JUDGED = "judged";

function judge(hit, key) {
  try { sessionStorage.setItem(JUDGED, hit.dataset.image); } catch { /* then the page begins at its top */ }
  hit.querySelector(`[data-key="${key}"]`)?.click();
}

function afterJudging() {
  let image = null;
  try {
    image = sessionStorage.getItem(JUDGED);
    sessionStorage.removeItem(JUDGED);
  } catch { return; }
  const card = image && document.querySelector(`[data-gallery] .hit[data-image="${CSS.escape(image)}"] a.cover`);
  if (card) to(card);
}

const ARROWS = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"];
const ACTS = {
  x: (hit) => hit.querySelector(".pick")?.click(),
  l: (hit) => judge(hit, "l"),
  d: (hit) => judge(hit, "d"),
  m: (hit) => hit.querySelector(".acts a")?.click(),
};

function onCard(event, card) {
  if (ARROWS.includes(event.key)) {
    const next = beside(card, event.key);
    if (next) to(next);
    else if (event.key === "ArrowUp") document.getElementById("q")?.focus();
    event.preventDefault();
  } else if (event.key === "Escape") {
    card.blur();
  } else if (ACTS[event.key] && (!letters || letters.checked)) {
    event.preventDefault();
    ACTS[event.key](card.closest(".hit"));
  }
}

function anywhere(event) {
  if (letters && !letters.checked) return;
  const bar = document.getElementById("q");
  if (event.key === "/" && bar) {
    event.preventDefault();
    bar.focus();
    bar.select();
  } else if (event.key === "t" && document.querySelector("#tray.on")) {
    event.preventDefault();
    document.querySelector("#tray.on .tray-actions button").focus();
  } else if (event.key === "?" && help) {
    event.preventDefault();
    help.showModal();
  } else if (event.key === "ArrowRight" && document.activeElement === document.body && cards().length) {
    to(cards()[0]);
  }
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const target = event.target;
  if (target.id === "q") {
    if (event.key === "Escape") target.blur();
    if (event.key === "ArrowDown" && cards().length) {
      event.preventDefault();
      to(cards()[0]);
    }
  } else if (target.matches("[data-gallery] .hit a.cover")) {
    onCard(event, target);
    if (!event.defaultPrevented) anywhere(event);
  } else if (!target.matches("input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable], [contenteditable] *")) {
    anywhere(event);
  }
});

afterJudging();
