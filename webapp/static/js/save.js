// «Save this search» and «Share» open in a dialog; without this script their links lead to the same forms on pages of their own.
const dialog = document.getElementById("save-dialog");

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.save-search, a.share-search");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // a new tab, as asked
  event.preventDefault();
  window.htmx.ajax("GET", link.getAttribute("href"), { target: dialog, swap: "innerHTML" });
});
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target !== dialog) return;
  dialog.showModal();
  dialog.querySelector("input[name=name]")?.select();
});
dialog.addEventListener("click", (event) => {
  const cancelled = event.target.closest("[data-cancel]");
  if (cancelled) event.preventDefault();
  if (cancelled || event.target === dialog) dialog.close(); // the dialog itself is hit only beside its content
});
