// What would become of each file: counts as filters over the list, and what of a table and the files finds no partner.
import { Rows, cell } from "./upload-rows.js";
import { count, files, size } from "./upload-words.js";

// verdict -> [what the filter says, the look of its tag, whether it is sent]; what wants attention first
const VERDICTS = {
  identity: ["looks like patient data", "working", true],
  unsupported: ["not supported", "failed", false],
  too_large: ["too large", "failed", false],
  empty: ["empty", "failed", false],
  twice: ["twice in your choice", "duplicate", false],
  duplicate: ["already there", "duplicate", false],
  new: ["new", "ready", true],
  archive: ["archives, unpacked here", "ready", true],
  attached: ["words beside images", "", true],
};
const ORDER = Object.keys(VERDICTS);
const MOST_LISTED = 200;

const look = (verdict) => VERDICTS[verdict] ?? [verdict.replaceAll("_", " "), "", false];
const place = (verdict) => (ORDER.includes(verdict) ? ORDER.indexOf(verdict) : ORDER.length);

function named(path) {
  const made = document.createElement("td");
  made.className = "file";
  const cut = path.lastIndexOf("/") + 1;
  const folder = document.createElement("span");
  folder.className = "quiet";
  folder.textContent = path.slice(0, cut);
  made.append(folder, path.slice(cut));
  return made;
}

function tagged(verdict) {
  const made = document.createElement("td");
  const tag = document.createElement("span");
  const [words, kind] = look(verdict);
  tag.className = `tag ${kind}`;
  tag.textContent = words;
  made.append(tag);
  return made;
}

function told({ text, image }) {
  const made = cell(text ?? "");
  if (!image) return made;
  const link = document.createElement("a");
  link.href = image;
  link.target = "_blank";
  link.textContent = "Show it";
  made.append(" ", link);
  return made;
}

export class DryRun {
  #files = [];
  #filter = "";

  // part: the stage; leave(path): the file shall not be sent; changed() when what would be sent is another
  constructor(part, { leave, changed }) {
    this.part = part;
    this.leave = leave;
    this.changed = changed;
    this.chips = part.querySelector("[data-chips]");
    this.rows = new Rows(part.querySelector("[data-files]"), (file) => this.#row(file));
  }

  get sent() {
    return this.#files.filter(({ verdict }) => look(verdict)[2]);
  }

  show({ files: checked, rows_without_file: rows, rows_for_archives: later, files_without_row: alone }, { mayLeave }) {
    this.mayLeave = mayLeave;
    this.#files = checked.toSorted((a, b) => place(a.verdict) - place(b.verdict));
    if (this.#filter && !checked.some(({ verdict }) => verdict === this.#filter)) this.#filter = "";
    this.#tellRowsLater(later ?? 0);
    this.#list("rows-alone", rows ?? [], ({ row, key }) => `Row ${count(row)}: ${key}`);
    this.#list("files-alone", alone ?? [], (name) => name);
    this.#drawChips();
    this.rows.show(this.#shown());
    this.changed();
  }

  #shown() {
    return this.#filter ? this.#files.filter(({ verdict }) => verdict === this.#filter) : this.#files;
  }

  #drawChips() {
    const held = document.activeElement?.dataset?.verdict;
    const counts = new Map();
    for (const { verdict } of this.#files) counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
    const found = [...counts.keys()].sort((a, b) => (b === "new") - (a === "new") || place(a) - place(b));
    const chips = ["", ...found].map((verdict) => this.#chip(verdict, verdict ? counts.get(verdict) : this.#files.length));
    this.chips.replaceChildren(...chips);
    if (held !== undefined) chips.find((chip) => chip.dataset.verdict === held)?.focus();
  }

  #chip(verdict, n) {
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = `chip ${verdict ? look(verdict)[1] : ""}`;
    chip.dataset.verdict = verdict;
    chip.setAttribute("aria-pressed", String(verdict === this.#filter));
    const number = document.createElement("strong");
    number.textContent = count(n);
    chip.append(number, ` ${verdict ? look(verdict)[0] : n === 1 ? "file" : "files"}`);
    chip.addEventListener("click", () => {
      this.#filter = verdict;
      this.#drawChips();
      this.rows.show(this.#shown());
    });
    return chip;
  }

  #row(file) {
    const row = document.createElement("tr");
    const out = cell("", "out");
    if (this.mayLeave && look(file.verdict)[2]) out.append(this.#leaveButton(file));
    row.append(named(file.name), cell(size(file.bytes ?? 0), "number"), tagged(file.verdict), told(file), out);
    return row;
  }

  #leaveButton(file) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button plain";
    button.textContent = "Leave out";
    button.setAttribute("aria-label", `Leave out ${file.name}`);
    button.addEventListener("click", () => {
      const next = button.closest("tr").nextElementSibling ?? button.closest("tr").previousElementSibling;
      const focus = next && [...next.parentElement.children].indexOf(button.closest("tr"));
      this.#files = this.#files.filter((each) => each !== file);
      this.leave(file.name);
      this.#drawChips();
      this.rows.renew(this.#shown());
      const rows = this.rows.body.children;
      (rows[Math.min(focus ?? 0, rows.length - 1)]?.querySelector("button") ?? this.chips.firstElementChild)?.focus();
      this.changed();
    });
    return button;
  }

  #tellRowsLater(n) {
    const line = this.part.querySelector("[data-rows-later]");
    line.hidden = !n;
    const [rows, they] = n === 1 ? ["1 row of the table names", "It is"] : [`${count(n)} rows of the table name`, "They are"];
    line.textContent = n ? `${rows} no chosen file. ${they} compared with the archive’s files when it is unpacked.` : "";
  }

  #list(name, all, words) {
    const fold = this.part.querySelector(`[data-${name}]`);
    fold.hidden = !all.length;
    fold.querySelector("[data-n]").textContent = count(all.length);
    const lines = all.slice(0, MOST_LISTED).map((each) => {
      const line = document.createElement("li");
      line.textContent = words(each);
      return line;
    });
    if (all.length > MOST_LISTED) {
      const more = document.createElement("li");
      more.textContent = `And ${count(all.length - MOST_LISTED)} more.`;
      lines.push(more);
    }
    fold.querySelector("ul").replaceChildren(...lines);
  }
}

export function sentWords(sent) {
  return `${files(sent.length)}, ${size(sent.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0))}`;
}
