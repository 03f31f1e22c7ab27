// A part of a page that could not be fetched says so: htmx itself stays silent.
const box = document.getElementById("went-wrong");

function tell(sentence) {
  box.textContent = sentence;
  box.hidden = false;
}

document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  if (status === 403 || status === 404) tell("This is no longer here for you. Load the page again.");
  else if (status === 503) tell("Out of order for the moment. Try again in some seconds.");
  else tell("The site could not answer. Try again.");
});
document.addEventListener("htmx:sendError", () => tell("The site cannot be reached."));
document.addEventListener("htmx:afterOnLoad", (event) => {
  if (event.detail.successful) box.hidden = true;
});
