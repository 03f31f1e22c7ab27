// The gallery's switches, and its way back: whoever opened an image finds the same place again.
import { keep, kept } from "./keeping.js";

const root = document.documentElement;
const gallery = document.querySelector("[data-gallery]");

// --- density ----------------------------------------------------------------------------------------------------------
for (const choice of document.querySelectorAll("input[name=density]")) {
  choice.checked = choice.value === (kept("density") ?? "comfortable");
  choice.addEventListener("change", () => {
    keep("density", choice.value);
    if (choice.value === "compact") root.dataset.density = "compact";
    else delete root.dataset.density;
  });
}

// --- filters fold on a phone --------------------------------------------------------------------------------------------
for (const button of document.querySelectorAll("[data-fold]")) {
  const box = document.getElementById(button.dataset.fold);
  button.addEventListener("click", () => {
    const open = box.toggleAttribute("data-unfolded");
    button.setAttribute("aria-expanded", String(open));
  });
}

// --- more that could not be fetched can be asked for again ------------------------------------------------------------
document.addEventListener("htmx:responseError", (event) => {
  if (event.target.closest?.(".more")) event.target.textContent = "Try again";
});

// --- the way back -----------------------------------------------------------------------------------------------------
// Only the first page of hits is in the address's answer: further ones are fetched again until the card is there that was left.
const PLACE = `place:${location.search}`;
const MOST_PAGES = 12;

function cardOf(image) {
  return image && gallery.querySelector(`.hit[data-image="${CSS.escape(image)}"] a.cover`);
}

async function backTo(image) {
  for (let page = 0; page < MOST_PAGES && !cardOf(image); page += 1) {
    const more = gallery.querySelector("#more a");
    if (!more) return;
    await window.htmx.ajax("GET", more.href, { source: more, target: "#more", swap: "outerHTML" });
  }
  const card = cardOf(image);
  if (!card) return;
  card.closest(".hit").scrollIntoView({ block: "center" });
  card.focus({ preventScroll: true });
}

if (gallery) {
  gallery.addEventListener("click", (event) => {
    const hit = event.target.closest(".hit");
    if (hit && event.target.closest("a")) sessionStorage.setItem(PLACE, hit.dataset.image);
  });
  const [way] = performance.getEntriesByType("navigation");
  if (way?.type === "back_forward") backTo(sessionStorage.getItem(PLACE));
}
