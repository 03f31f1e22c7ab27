// Runs before the first paint, so that nothing moves afterwards: whether scripts run at all, and how dense the gallery is.
document.documentElement.classList.add("scripted");
try {
  if (localStorage.getItem("density") === "compact") document.documentElement.dataset.density = "compact";
} catch {
  // a browser that keeps nothing shows the comfortable gallery
}
