// Keys of the review: what a key does is written on what it presses.
const letters = document.querySelector("[data-letters]");
const typing = "input:not([type=checkbox], [type=radio], [type=hidden]), textarea, select";

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || event.repeat) return;
  if (event.target.matches(typing) || document.querySelector("dialog[open]")) return;
  if (event.key.length === 1 && letters && !letters.checked) return;
  const pressed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
});

// One decision a pair: a second press before the next page is there must not decide on it.
for (const form of document.querySelectorAll("form:has([data-key])")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
  });
}
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});
