// Folders of the site's own machine: looking around in them, to choose what is taken in.
import { ask } from "./upload-talk.js";
import { count, size } from "./upload-words.js";

export class Folders {
  // part: the fold; doing(work) runs one thing at a time and tells what goes wrong; checkIt() asks for the dry run
  constructor(part, { doing, checkIt }) {
    this.part = part;
    [this.folder, this.path] = ["folder", "path"].map((name) => part.querySelector(`[name=${name}]`));
    [this.list, this.way, this.more] = ["lines", "way", "more"].map((name) => part.querySelector(`[data-folder-${name}]`));
    const look = () => doing(() => this.look());
    this.part.addEventListener("toggle", () => this.part.open && !this.list.children.length && look());
    this.folder.addEventListener("change", () => {
      this.path.value = "";
      look();
    });
    this.path.addEventListener("change", () => this.path.value !== this.lookedAt && look());
    this.path.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault();
      look();
    });
    part.querySelector("[data-check-folder]").addEventListener("click", checkIt);
    this.again = look;
  }

  get told() {
    return { folder: this.folder.value, path: this.path.value };
  }

  async look() {
    this.lookedAt = this.path.value; // Enter has looked already when leaving the field says that it was changed
    const asked = new URLSearchParams(this.told);
    const { path, above, lines, unshown } = await ask(`${this.part.dataset.browse}?${asked}`);
    this.path.value = path;
    const home = { name: this.folder.selectedOptions[0].textContent, path: "" };
    this.way.replaceChildren(...[home, ...above].flatMap((each, place) => [...(place ? [" / "] : []), this.#open(each)]));
    this.list.replaceChildren(...lines.map((line) => this.#line(line)));
    if (!lines.length) this.list.append(this.#item("Nothing here."));
    this.more.textContent = unshown ? `And ${count(unshown)} more: write the path.` : "";
  }

  #item(...parts) {
    const item = document.createElement("li");
    item.append(...parts);
    return item;
  }

  #line({ name, path, bytes }) {
    if (bytes === null) return this.#item(this.#open({ name: `${name}/`, path }));
    const weight = document.createElement("span");
    weight.className = "quiet number";
    weight.textContent = size(bytes);
    return this.#item(this.#button(name, () => this.#choose(path)), weight);
  }

  #open({ name, path }) {
    return this.#button(name, () => {
      this.path.value = path;
      this.again();
    });
  }

  #choose(path) {
    this.path.value = path;
    this.path.focus();
  }

  #button(words, pressed) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "way";
    button.textContent = words;
    button.addEventListener("click", pressed);
    return button;
  }
}
