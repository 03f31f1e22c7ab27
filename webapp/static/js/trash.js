// The trash: ticks all of a page, and says on the buttons how many are ticked. Without it the boxes and buttons work as they are.
const form = document.querySelector("[data-trash]");
const all = form?.querySelector("[data-all]");
const boxes = [...(form?.querySelectorAll('input[name="image"]') ?? [])];

function tell() {
  const n = boxes.filter((box) => box.checked).length;
  for (const place of form.querySelectorAll("[data-chosen]")) place.textContent = n ? String(n) : "";
  all.checked = n === boxes.length;
  all.indeterminate = n > 0 && n < boxes.length;
}

if (form) {
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  window.addEventListener("pageshow", tell);
}
