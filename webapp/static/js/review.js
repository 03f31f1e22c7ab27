// The review page by keys: each presses the button or opens the link that names it. Without this script they are clicked.
const letters = document.querySelector("[data-letters]");
const kept = () => { try { return localStorage.getItem("letters") !== "off"; } catch { return true; } };

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches("input:not([type=checkbox]), textarea, select, summary")) return;
  if (event.key.length === 1 && !(letters ? letters.checked : kept())) return;
  const asked = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!asked) return;
  event.preventDefault();
  asked.click();
});

document.querySelector(".review-strip [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
