// The selection: kept in this tab over pages, shown in the bar below. Without this script the ticked boxes of one page are posted.
const tray = document.getElementById("tray");
const SHOWN = 24; // thumbnails in the bar; it shows as many of them as fit
const most = Number(tray.dataset.most);
const key = `conchive-selection-${tray.dataset.owner}`;
const part = (name) => tray.querySelector(`[data-tray-${name}]`);
const [ids, number, word, strip, told] = ["ids", "number", "word", "strip", "told"].map(part);

let selected = new Set(read());
let last = null; // the box that was ticked last, where a range begins

function read() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(key) ?? "[]");
    return Array.isArray(kept) ? kept.filter((id) => typeof id === "string").slice(0, most) : [];
  } catch {
    return []; // storage is off, or holds what is not ours: the selection lasts as long as the page
  }
}

function keep() {
  try {
    sessionStorage.setItem(key, JSON.stringify([...selected]));
  } catch {
    // as above
  }
}

function boxes() {
  return [...document.querySelectorAll("input.pick[data-pick]")];
}

function tell(sentence) {
  told.textContent = sentence;
  told.hidden = !sentence;
}

function show() {
  ids.value = [...selected].join(",");
  number.textContent = selected.size || "";
  word.textContent = selected.size ? "selected" : "";
  tray.classList.toggle("on", selected.size > 0);
  document.body.classList.toggle("selecting", selected.size > 0);
  for (const box of boxes()) {
    box.removeAttribute("name"); // the hidden field names them all, those of other pages too
    box.checked = selected.has(box.dataset.pick);
    box.closest(".card, .hit, li")?.classList.toggle("picked", box.checked);
  }
  draw();
}

function draw() {
  const wanted = [...selected].reverse().slice(0, SHOWN);
  const present = new Map([...strip.children].map((item) => [item.dataset.id, item]));
  for (const [id, item] of present) if (!wanted.includes(id)) item.remove();
  wanted.forEach((id, place) => {
    const item = present.get(id) ?? thumbnail(id);
    if (strip.children[place] !== item) strip.insertBefore(item, strip.children[place] ?? null);
  });
}

function thumbnail(id) {
  const item = document.createElement("li");
  item.dataset.id = id;
  const button = document.createElement("button");
  button.type = "button";
  button.title = "Take out of the selection";
  const picture = new Image(40, 40);
  picture.alt = "Take this image out of the selection";
  picture.src = tray.dataset.thumbnail.replace("00000000-0000-0000-0000-000000000000", id);
  picture.addEventListener("error", () => item.classList.add("no-picture"));
  button.append(picture);
  button.addEventListener("click", () => {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    choose([id], false);
    (next?.querySelector("button") ?? boxes().find((box) => box.dataset.pick === id))?.focus();
  });
  item.append(button);
  return item;
}

function choose(wanted, on) {
  let left = 0;
  for (const id of wanted) {
    if (!on) selected.delete(id);
    else if (selected.size < most || selected.has(id)) selected.add(id);
    else left += 1;
  }
  tell(left ? `At most ${most} images at a time: ${left} more were not selected.` : "");
  keep();
  show();
}

function range(from, to) {
  const all = boxes();
  const ends = [all.indexOf(from), all.indexOf(to)].sort((a, b) => a - b);
  return ends[0] < 0 ? [to] : all.slice(ends[0], ends[1] + 1);
}

document.addEventListener("click", (event) => {
  if (!event.target.matches?.("input.pick[data-pick]")) return;
  const box = event.target;
  const touched = event.shiftKey && last?.isConnected ? range(last, box) : [box];
  choose(touched.map((each) => each.dataset.pick), box.checked);
  last = box;
});
part("clear").addEventListener("click", () => {
  choose([...selected], false);
  tray.querySelectorAll("[popover]:popover-open").forEach((open) => open.hidePopover());
  boxes()[0]?.focus();
});
tray.addEventListener("submit", (event) => {
  // a download leaves the page where it is: its panel has nothing more to say
  const panel = event.submitter?.closest("[popover]");
  if (panel?.matches(":popover-open")) panel.hidePopover();
});
document.addEventListener("htmx:afterSettle", show);
window.addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  selected = new Set(read());
  show();
});
show();
