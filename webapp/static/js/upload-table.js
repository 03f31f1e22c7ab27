// How the table is read: which column names the file, what each other column is, twenty rows to see, and the rows that are not taken.
import { cell } from "./upload-rows.js";
import { count } from "./upload-words.js";

const MOST_ERRORS = 50; // on the page; the file to download has them all

// what harmless() of webapp/spreadsheets.py guards, so that the site reads it back
const FORMULA = /^[ \u00a0\u3000\ufeff']*[=+\-@\t\r\n＝＋－＠]/;

// a cell that a spreadsheet would run as a formula becomes text
function quoted(told) {
  const text = String(told ?? "");
  return `"${(FORMULA.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
}

// a line a row, with its own cells where the site told them: put right, it can be sent as a table
export function errorsFile(errors) {
  const headings = [...new Set(errors.flatMap(({ cells }) => (cells ?? []).map(([heading]) => heading)))];
  const byRow = new Map();
  for (const error of errors) byRow.set(error.row, [...(byRow.get(error.row) ?? []), error]);
  const lines = [...byRow].map(([row, about]) => [
    ...headings.map((heading) => about[0].cells?.find(([its]) => its === heading)?.[1]),
    row,
    about.map(({ column, text }) => (headings.length || !column ? text : `${column}: ${text}`)).join(" "),
  ]);
  const csv = [[...headings, "row", "what is wrong"], ...lines].map((line) => line.map(quoted).join(",")).join("\r\n");
  return new Blob([`\ufeff${csv}\r\n`], { type: "text/csv" });
}

function option(value, text, chosen) {
  const made = document.createElement("option");
  made.value = value;
  made.textContent = text;
  made.selected = chosen;
  return made;
}

export class TablePanel {
  #table = null;
  #link = null;

  // part: the panel; changed(): the mapping is another, so the files must be checked anew
  constructor(part, changed) {
    this.part = part;
    [this.match, this.key, this.columns, this.errors, this.download] = ["match", "key", "columns", "errors", "errors-file"].map(
      (name) => part.querySelector(`[data-table-${name}]`),
    );
    this.fields = [...part.querySelector("[data-table-fields]").content.querySelectorAll("option")];
    part.addEventListener("change", changed);
  }

  // null until a table was read: then the site uses what it remembers of the collection
  get mapping() {
    if (!this.#table) return null;
    const columns = {};
    for (const select of this.columns.querySelectorAll("select")) columns[select.dataset.heading] = select.value;
    return { match: this.match.value, key_column: this.key.value, columns };
  }

  forget() {
    this.#table = null;
    this.part.hidden = true;
  }

  show(table, name) {
    this.#table = table;
    this.part.hidden = !table;
    if (!table) return;
    const held = document.activeElement?.id;
    this.part.querySelector("[data-table-name]").textContent = name;
    this.part.querySelector("[data-table-rows]").textContent = table.rows === 1 ? "1 row" : `${count(table.rows)} rows`;
    this.match.value = table.match;
    const keys = table.headings.map((heading) => option(heading, heading, heading === table.key_column));
    this.key.replaceChildren(...(table.key_column ? [] : [option("", "choose one", true)]), ...keys);
    this.fieldsOf = table.headings.map((heading) => table.columns[heading]).filter(Boolean);
    this.columns.replaceChildren(...table.headings.map((heading, place) => this.#column(heading, place)));
    this.part.querySelector("[data-table-notes]").textContent = (table.notes ?? []).join(" ");
    this.#preview(table);
    this.#showErrors(table.errors ?? []);
    if (held) document.getElementById(held)?.focus();
    else this.part.querySelector("[data-table-fold]").open = !table.key_column; // a column must be chosen
  }

  #column(heading, place) {
    const line = document.createElement("div");
    line.className = "field column";
    line.hidden = heading === this.#table.key_column;
    const label = document.createElement("label");
    label.textContent = heading;
    label.htmlFor = `column-${place}`;
    const select = document.createElement("select");
    select.id = label.htmlFor;
    select.dataset.heading = heading;
    const field = this.#table.columns[heading] ?? "";
    for (const each of this.fields) select.append(option(each.value, each.textContent, each.value === field));
    if (field && !this.fields.some(({ value }) => value === field)) select.append(option(field, `keep as “${field}”`, true));
    else select.append(option(heading, `keep as “${heading}”`, false));
    const sample = document.createElement("p");
    sample.className = "help";
    sample.textContent = field ? this.#sample(field) : "";
    line.append(label, select, sample);
    return line;
  }

  // a preview's row: its number, what names the file, then each field in the order of its column
  #sample(field) {
    const place = 2 + this.fieldsOf.indexOf(field);
    return this.#table.preview.map((row) => row[place]).find(Boolean) ?? "empty in the first rows";
  }

  #preview({ key_column: key, preview }) {
    const head = this.part.querySelector("[data-preview-head]");
    head.replaceChildren(
      ...["row", key || "file", ...this.fieldsOf].map((heading) => {
        const made = document.createElement("th");
        made.scope = "col";
        made.textContent = heading;
        return made;
      }),
    );
    const rows = preview.slice(0, 20).map((cells) => {
      const row = document.createElement("tr");
      row.append(...cells.map((told) => cell(told ?? "")));
      return row;
    });
    this.part.querySelector("[data-preview-body]").replaceChildren(...rows);
  }

  #showErrors(errors) {
    this.errors.hidden = !errors.length;
    if (this.#link) URL.revokeObjectURL(this.#link);
    this.#link = errors.length ? URL.createObjectURL(errorsFile(errors)) : null;
    if (!errors.length) return;
    this.download.href = this.#link;
    const rowsLost = new Set(errors.map(({ row }) => row)).size;
    this.errors.querySelector("[data-n]").textContent =
      rowsLost === 1 ? "1 row is not taken" : `${count(rowsLost)} rows are not taken`;
    const rows = errors.slice(0, MOST_ERRORS).map(({ row, column, text }) => {
      const line = document.createElement("tr");
      line.append(cell(count(row), "number"), cell(column ?? ""), cell(text));
      return line;
    });
    this.errors.querySelector("tbody").replaceChildren(...rows);
    const untold = this.#table.errors_untold ?? 0;
    this.errors.querySelector("[data-untold]").textContent = untold
      ? `And ${count(untold)} more, which the receipt will have.`
      : "";
  }
}
