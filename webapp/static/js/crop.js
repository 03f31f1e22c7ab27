// A part of the picture is framed by dragging or with the arrow keys; four number fields hold it and are what the form sends.
const SVG = "http://www.w3.org/2000/svg";
const SMALLEST = 2; // per cent of a side
const GRIP_PX = 14; // so near to an edge the pointer takes hold of it
const STEP = 1; // per cent an arrow key moves
const EDGES = ["crop_left", "crop_top", "crop_right", "crop_bottom"];

const form = document.querySelector("[data-crop]");
const seen = document.querySelector("[data-seen]");

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

function frame() {
  const [left, top, right, bottom] = EDGES.map((name) => clamp(Number(form.elements[name].value) || 0, 0, 100));
  return { left, top, right, bottom };
}

function isWhole({ left, top, right, bottom }) {
  return left === 0 && top === 0 && right === 100 && bottom === 100;
}

class Cropper {
  constructor() {
    this.width = Number(seen.dataset.width);
    this.height = Number(seen.dataset.height);
    this.svg = seen.querySelector("svg");
    this.edge = this.svg.querySelector(".part-edge") ?? this.svg.appendChild(document.createElementNS(SVG, "path"));
    this.edge.setAttribute("class", "part-edge");
    seen.tabIndex = 0;
    seen.setAttribute("role", "group");
    seen.setAttribute("aria-label", "The part to search with. Arrow keys move the frame, with Shift they size it, Enter searches, Escape takes the whole.");
    this.said = seen.appendChild(document.createElement("span"));
    this.said.className = "visually-hidden";
    this.said.setAttribute("aria-live", "polite");
    seen.addEventListener("pointerdown", (event) => this.grab(event));
    seen.addEventListener("keydown", (event) => this.key(event));
    form.addEventListener("input", () => this.draw(frame()));
    if (!isWhole(frame())) this.draw(frame());
  }

  // where the pointer is, in per cent of the picture
  at(event) {
    const box = seen.getBoundingClientRect();
    return {
      x: clamp(((event.clientX - box.left) / box.width) * 100, 0, 100),
      y: clamp(((event.clientY - box.top) / box.height) * 100, 0, 100),
      gripX: (GRIP_PX / box.width) * 100,
      gripY: (GRIP_PX / box.height) * 100,
    };
  }

  grab(event) {
    if (event.button !== 0) return;
    event.preventDefault();
    seen.focus({ preventScroll: true });
    form.closest("details").open = true;
    this.sharpen();
    const start = this.at(event);
    const from = frame();
    const change = this.changeFrom(start, from);
    const move = (moved) => this.take(change(this.at(moved)));
    const end = () => {
      seen.removeEventListener("pointermove", move);
      seen.removeEventListener("pointerup", end);
      seen.removeEventListener("pointercancel", end);
      this.say();
    };
    seen.setPointerCapture(event.pointerId);
    seen.addEventListener("pointermove", move);
    seen.addEventListener("pointerup", end);
    seen.addEventListener("pointercancel", end);
  }

  // an edge that was taken hold of moves alone; inside, the whole frame moves; elsewhere a new frame begins
  changeFrom(start, from) {
    const inside = start.x > from.left && start.x < from.right && start.y > from.top && start.y < from.bottom;
    const within = start.x > from.left - start.gripX && start.x < from.right + start.gripX && start.y > from.top - start.gripY && start.y < from.bottom + start.gripY;
    const held = {
      left: Math.abs(start.x - from.left) < start.gripX,
      right: Math.abs(start.x - from.right) < start.gripX,
      top: Math.abs(start.y - from.top) < start.gripY,
      bottom: Math.abs(start.y - from.bottom) < start.gripY,
    };
    if (!isWhole(from) && within && Object.values(held).some(Boolean)) {
      return (now) => ({
        left: held.left ? Math.min(now.x, from.right - SMALLEST) : from.left,
        right: held.right ? Math.max(now.x, from.left + SMALLEST) : from.right,
        top: held.top ? Math.min(now.y, from.bottom - SMALLEST) : from.top,
        bottom: held.bottom ? Math.max(now.y, from.top + SMALLEST) : from.bottom,
      });
    }
    if (!isWhole(from) && inside) return (now) => this.moved(from, now.x - start.x, now.y - start.y);
    return (now) => this.between(start, now);
  }

  between(one, other) {
    const left = Math.min(one.x, other.x, 100 - SMALLEST);
    const top = Math.min(one.y, other.y, 100 - SMALLEST);
    return { left, top, right: Math.max(one.x, other.x, left + SMALLEST), bottom: Math.max(one.y, other.y, top + SMALLEST) };
  }

  moved({ left, top, right, bottom }, x, y) {
    const dx = clamp(x, -left, 100 - right);
    const dy = clamp(y, -top, 100 - bottom);
    return { left: left + dx, right: right + dx, top: top + dy, bottom: bottom + dy };
  }

  key(event) {
    const arrows = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
    if (event.key === "Enter") {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === "Escape") {
      this.take({ left: 0, top: 0, right: 100, bottom: 100 });
      this.say();
    } else if (arrows[event.key]) {
      event.preventDefault();
      event.stopPropagation(); // not also the gallery's arrows
      form.closest("details").open = true;
      const from = isWhole(frame()) ? { left: 25, top: 25, right: 75, bottom: 75 } : frame();
      const [x, y] = arrows[event.key];
      const sized = { ...from, right: clamp(from.right + x, from.left + SMALLEST, 100), bottom: clamp(from.bottom + y, from.top + SMALLEST, 100) };
      this.take(event.shiftKey ? sized : this.moved(from, x, y));
      this.say();
    }
  }

  take(part) {
    const values = [part.left, part.top, part.right, part.bottom];
    EDGES.forEach((name, number) => {
      form.elements[name].value = (Math.round(values[number] * 10) / 10).toString();
    });
    this.draw(frame());
  }

  // the frame, and the square in its middle that the encoder will see
  draw(part) {
    const [left, right] = [part.left, part.right].map((x) => (x / 100) * this.width);
    const [top, bottom] = [part.top, part.bottom].map((y) => (y / 100) * this.height);
    if (!(right > left && bottom > top)) return;
    const side = Math.min(right - left, bottom - top);
    const x = (left + right - side) / 2;
    const y = (top + bottom - side) / 2;
    const square = `M${x} ${y}V${y + side}H${x + side}V${y}Z`;
    this.svg.querySelector(".unseen").setAttribute("d", `M0 0H${this.width}V${this.height}H0Z${square}`);
    this.svg.querySelector(".square").setAttribute("d", square);
    this.edge.setAttribute("d", isWhole(part) ? "" : `M${left} ${top}V${bottom}H${right}V${top}Z`);
  }

  say() {
    const { left, top, right, bottom } = frame();
    this.said.textContent = `From ${left} to ${right} per cent across, ${top} to ${bottom} down.`;
  }

  // the thumbnail is enough to look at; to frame a part of it the larger copy is fetched
  sharpen() {
    const picture = seen.querySelector("img");
    if (picture.dataset.large && picture.getAttribute("src") !== picture.dataset.large) picture.src = picture.dataset.large;
  }
}

if (form && seen) {
  for (const help of form.querySelectorAll("[data-crop-help]")) help.hidden = false;
  seen.classList.add("croppable");
  new Cropper();
  form.closest("details").addEventListener("toggle", (event) => {
    seen.classList.toggle("cropping", event.target.open);
  });
  seen.classList.toggle("cropping", form.closest("details").open);
}
