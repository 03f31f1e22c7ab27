// What an image's page does beside htmx: forms come back with their message, Escape gives up, and a link can be copied.

const REFUSED = new Set([409, 422]);

document.addEventListener("htmx:beforeSwap", (event) => {
  if (!REFUSED.has(event.detail.xhr.status)) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false; // the form itself says what is wrong
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || !(event.target instanceof Element)) return;
  const giveUp = event.target.closest("form")?.querySelector("[data-cancel]");
  if (!giveUp) return;
  event.preventDefault();
  giveUp.click();
});

async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  // without https browsers have no clipboard object
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  if (!copied) throw new Error("the browser does not copy");
}

document.addEventListener("click", async (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-copy]") : null;
  if (!button) return;
  const label = button.querySelector("span");
  const before = button.dataset.label ?? label.textContent;
  button.dataset.label = before;
  try {
    await copy(button.dataset.copy);
    label.textContent = button.dataset.copied;
  } catch {
    label.textContent = button.dataset.copy; // to be copied by hand
  }
  label.setAttribute("aria-live", "polite");
  setTimeout(() => (label.textContent = before), 4000);
});
