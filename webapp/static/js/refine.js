// The question's chips by keyboard, and terms of the vocabularies while one types. Without this script the links and fields work as they are.
const PAUSE_MS = 150;
const KEYS = { Delete: "[data-remove]", Backspace: "[data-remove]", "+": "[data-heavier]", "-": "[data-lighter]" };

for (const step of document.querySelectorAll("[data-step]")) {
  step.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const link = KEYS[event.key] && step.querySelector(KEYS[event.key]);
    if (!link) return;
    event.preventDefault();
    link.click();
  });
}

for (const field of document.querySelectorAll("[data-terms]")) {
  const list = document.getElementById(field.getAttribute("list"));
  let waiting = 0;
  let asked = null;

  const suggest = async () => {
    const told = field.value.trim();
    if (told === asked) return;
    asked = told;
    const answer = await fetch(`${field.dataset.terms}&told=${encodeURIComponent(told)}`, { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok || answer.redirected || told !== asked) return; // no suggestions are no failure of the search
    const parsed = new DOMParser().parseFromString(await answer.text(), "text/html");
    list.replaceChildren(...parsed.querySelectorAll("option"));
  };

  field.addEventListener("focus", suggest);
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(suggest, PAUSE_MS);
  });
}
