// The zoomable view of an image over its plain picture, which stays where anything here fails.
// Boxes are told in the upright image's own pixels; OpenSeadragon counts in widths of the image.
const OSD = window.OpenSeadragon;
const figure = document.querySelector("[data-viewer]");
const NICE = [1, 2, 5];
const BAR_PX = 120;
const TURNING_KEYS = new Set(["r", "R", "F"]); // a field of a slide is not turned or mirrored by a slip of the hand
const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;

if (OSD && figure) open(figure);

function open(figure) {
  const width = Number(figure.dataset.width);
  const holder = figure.querySelector(".viewer");
  // OpenSeadragon would write a style element of its own into the page, which the content security policy refuses: it looks
  // for one with this mark first
  const mark = document.createElementNS("urn:conchive", "style");
  mark.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(mark);
  holder.hidden = false;
  const viewer = OSD({
    element: holder,
    tileSources: { type: "image", url: figure.dataset.image },
    drawer: "canvas",
    showNavigationControl: false,
    visibilityRatio: 0.6,
    minZoomImageRatio: 0.8,
    maxZoomPixelRatio: 8,
    zoomPerScroll: 1.25,
    animationTime: calm ? 0 : 0.4,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true },
    // a finger that scrolls the page must not be caught by the picture
    cooperativeGestures: window.matchMedia("(pointer: coarse)").matches,
  });
  const picture = { figure, viewer, width, home: figure.querySelector(".region.matched") };
  viewer.addHandler("open-failed", () => close(picture));
  viewer.addHandler("open", () => show(picture));
}

function close({ figure, viewer }) {
  viewer.destroy();
  figure.querySelector(".viewer").hidden = true;
}

function show(picture) {
  const { figure, viewer } = picture;
  figure.classList.add("zoomable");
  figure.querySelector(".viewer-tools").hidden = false;
  nameCanvas(picture);
  outline(picture);
  tools(picture);
  scaleBar(picture);
}

function nameCanvas({ figure, viewer }) {
  const canvas = viewer.canvas;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "zoomable image");
  canvas.setAttribute("aria-label", `${figure.querySelector(".picture-link img").alt}. Arrow keys move, plus and minus zoom, 0 shows all.`);
}

function boxOf(region, width) {
  const { left, top, across, down } = region.dataset;
  return new OSD.Rect(left / width, top / width, across / width, down / width);
}

function outline({ figure, viewer, width }) {
  for (const region of figure.querySelectorAll(".region")) {
    region.hidden = !region.classList.contains("matched");
    viewer.addOverlay({ element: region, location: boxOf(region, width) });
    // the viewer catches clicks on whatever lies over the picture
    new OSD.MouseTracker({
      element: region,
      clickHandler: (event) => {
        if (event.quick) window.location.assign(region.href);
      },
    });
    region.addEventListener("keydown", (event) => {
      if (event.key === "Enter") window.location.assign(region.href);
    });
  }
}

function tools(picture) {
  const { figure, viewer } = picture;
  const does = {
    in: () => zoom(viewer, 1.5),
    out: () => zoom(viewer, 1 / 1.5),
    whole: () => viewer.viewport.goHome(calm),
    part: () => toPart(picture),
    parts: () => toggleParts(figure),
    full: () => fullScreen(figure, viewer),
  };
  figure.addEventListener("click", (event) => does[event.target.closest("[data-tool]")?.dataset.tool]?.());
  const keys = { p: does.parts, m: does.part, f: does.full };
  viewer.addHandler("canvas-key", (event) => {
    const { key, ctrlKey, metaKey, altKey } = event.originalEvent;
    if (ctrlKey || metaKey || altKey) return;
    if (TURNING_KEYS.has(key)) event.preventDefaultAction = true;
    if (!keys[key]) return;
    event.preventDefaultAction = true;
    event.originalEvent.stopPropagation(); // the page has keys of its own
    keys[key]();
  });
}

function zoom(viewer, by) {
  viewer.viewport.zoomBy(by, undefined, calm);
  viewer.viewport.applyConstraints(calm);
}

function toPart({ viewer, home, width }) {
  if (!home) return;
  const box = boxOf(home, width);
  const margin = box.width * 0.15;
  viewer.viewport.fitBounds(new OSD.Rect(box.x - margin, box.y - margin, box.width + 2 * margin, box.height + 2 * margin), calm);
}

function toggleParts(figure) {
  const button = figure.querySelector("[data-tool=parts]");
  if (!button) return;
  const shown = button.getAttribute("aria-pressed") !== "true";
  button.setAttribute("aria-pressed", String(shown));
  for (const region of figure.querySelectorAll(".region:not(.matched)")) region.hidden = !shown;
}

// the figure, not the viewer alone: tools and scale bar come along
function fullScreen(figure) {
  if (document.fullscreenElement) document.exitFullscreen();
  else figure.requestFullscreen?.();
}

function scaleBar({ figure, viewer, width }) {
  const bar = figure.querySelector(".scale-bar");
  const line = bar.querySelector(".scale-line");
  const text = bar.querySelector(".scale-text");
  function draw() {
    const mpp = Number((document.getElementById("fact-mpp") ?? figure).dataset.mpp ?? figure.dataset.mpp);
    bar.hidden = !(mpp > 0);
    if (bar.hidden) return;
    const pxAcross = viewer.viewport.getContainerSize().x * viewer.viewport.getZoom(true);
    const pxAMicrometre = pxAcross / (width * mpp);
    const length = niceLength(BAR_PX / pxAMicrometre);
    line.style.width = `${length * pxAMicrometre}px`;
    const told = length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
    if (text.textContent === told) return;
    text.textContent = told;
    bar.setAttribute("aria-label", `Scale bar: ${told}`);
  }
  viewer.addHandler("update-viewport", draw);
  viewer.addHandler("resize", draw);
  document.addEventListener("htmx:afterSettle", draw); // the resolution may have been changed
  draw();
}

// the largest of 1, 2, 5, 10, 20 … that is no longer than this
function niceLength(most) {
  const power = 10 ** Math.floor(Math.log10(most));
  const first = NICE.filter((step) => step * power <= most).pop() ?? 1;
  return Number((first * power).toPrecision(1));
}
