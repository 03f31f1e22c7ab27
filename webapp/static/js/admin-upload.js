// The collection decides where everything goes: choosing another one loads its form.
const form = document.querySelector("[data-choose-collection]");

if (form) {
  form.querySelector("button").hidden = true;
  form.addEventListener("change", () => form.requestSubmit());
}
