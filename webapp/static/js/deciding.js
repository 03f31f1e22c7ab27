// Keys of a page on which one decides: each presses the button or opens the link that names it. Without this script they are clicked.
const letters = document.querySelector("[data-letters]");
const TYPING = "input:not([type=checkbox], [type=radio], [type=hidden]), textarea, select";
const ASKING = "dialog[open], [popover]:popover-open";
const deciding = "form:has([data-key])";
let sent = false;

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (sent || event.target.matches(TYPING) || document.querySelector(ASKING)) return;
  if (event.key.length === 1 && letters && !letters.checked) return;
  const pressed = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!pressed) return;
  event.preventDefault();
  pressed.click();
});

// One decision a page: a second press before the next page is there must not decide on what is still shown.
document.addEventListener("submit", (event) => {
  if (!event.target.matches(deciding)) return;
  if (sent) event.preventDefault();
  sent = true;
});
// The strip alone is scrolled: the page stays at its top, where the question is.
export function showCurrent(strip) {
  const current = strip?.querySelector("[aria-current]");
  if (!current) return;
  const [all, one] = [strip.getBoundingClientRect(), current.getBoundingClientRect()];
  strip.scrollLeft += one.left + one.width / 2 - all.left - all.width / 2;
}

window.addEventListener("pageshow", () => { sent = false; });
