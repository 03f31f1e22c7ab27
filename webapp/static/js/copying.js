// Copies what is shown once; where the browser gives no clipboard, it is selected to be copied by hand.
for (const button of document.querySelectorAll("[data-copies]")) {
  const source = document.getElementById(button.dataset.copies);
  const words = button.querySelector("span");
  button.addEventListener("click", async () => {
    source.select();
    try {
      await navigator.clipboard.writeText(source.value);
      words.textContent = "Copied";
    } catch {
      words.textContent = "Selected: press Ctrl+C";
    }
  });
}
