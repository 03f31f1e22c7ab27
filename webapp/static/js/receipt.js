// The list of an upload's files is fetched again when a count changes: times that somebody has opened stay open.
let open = [];

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id !== "receipt-lines") return;
  open = [...event.detail.target.querySelectorAll("details[open]")].map((each) => each.id);
});

document.addEventListener("htmx:afterSettle", () => {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  open = [];
});
