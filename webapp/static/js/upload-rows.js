// A long list as a table of a hundred rows at a time: ten thousand lines would freeze the page, and a reader's voice too.
import { count } from "./upload-words.js";

const SHOWN = 100;

export function cell(text, kind = "") {
  const made = document.createElement("td");
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

export class Rows {
  #list = [];
  #from = 0;

  // part: holds [data-body], [data-pager], [data-range]; draw(entry) -> <tr>
  constructor(part, draw) {
    this.part = part;
    this.draw = draw;
    this.body = part.querySelector("[data-body]");
    this.pager = part.querySelector("[data-pager]");
    this.range = part.querySelector("[data-range]");
    [this.earlier, this.later] = ["earlier", "later"].map((name) => part.querySelector(`[data-${name}]`));
    this.earlier.addEventListener("click", () => this.#turn(-SHOWN));
    this.later.addEventListener("click", () => this.#turn(SHOWN));
  }

  show(list) {
    this.#list = list;
    this.#from = 0;
    this.#draw();
  }

  // the list has changed a little: stay on the page that is looked at
  renew(list) {
    this.#list = list;
    if (this.#from >= list.length) this.#from = Math.max(0, Math.floor((list.length - 1) / SHOWN) * SHOWN);
    this.#draw();
  }

  #turn(by) {
    this.#from += by;
    this.#draw();
    this.part.scrollIntoView({ block: "start" });
  }

  #draw() {
    const to = Math.min(this.#from + SHOWN, this.#list.length);
    this.body.replaceChildren(...this.#list.slice(this.#from, to).map(this.draw));
    this.part.hidden = !this.#list.length;
    this.pager.hidden = this.#list.length <= SHOWN;
    this.range.textContent = `${count(this.#from + 1)}–${count(to)} of ${count(this.#list.length)}`;
    this.earlier.disabled = this.#from === 0;
    this.later.disabled = to === this.#list.length;
  }
}
