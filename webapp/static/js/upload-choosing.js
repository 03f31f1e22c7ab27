// What was chosen or dropped, as one flat list of { path, file }: a folder's files have its name in front.
const JUNK = /(^|\/)(\.[^/]*|thumbs\.db|desktop\.ini|__macosx)(\/|$)/i; // what systems leave in folders
const TABLE = /\.(csv|tsv|xlsx)$/i;
const TABLE_OF_ALL = /(^|\/)(captions|metadata)\.(csv|tsv|xlsx)$/i;
const BREATH = 250; // files
const COLLATOR = new Intl.Collator("en", { numeric: true });
const NAMESAKES = 1000; // of one file, chosen without their folders

export class Chosen {
  #entries = new Map(); // path -> entry
  #sorted = null;
  bytes = 0;
  junk = 0;

  // by path, 2 before 10
  get all() {
    this.#sorted ??= [...this.#entries.values()].sort((a, b) => COLLATOR.compare(a.path, b.path));
    return this.#sorted;
  }

  get size() {
    return this.#entries.size;
  }

  has(path) {
    return this.#entries.has(path);
  }

  // a browser asks the disk for each file's size, and stands still meanwhile: so it gets a breath now and then. told(n): so far
  async add(found, told) {
    for (const [n, { path, file }] of found.entries()) {
      if (JUNK.test(path)) this.junk += 1;
      else this.#keep(path, file);
      if ((n + 1) % BREATH === 0) {
        told(n + 1);
        await new Promise((done) => setTimeout(done));
      }
    }
  }

  // two files of one name that were chosen without their folders are both kept; the same one twice is one
  #keep(path, file) {
    let free = path;
    for (let n = 2; this.#entries.has(free); n += 1) {
      const there = this.#entries.get(free).file;
      if (there.size === file.size && there.lastModified === file.lastModified) return;
      if (n > NAMESAKES) return;
      free = path.replace(/(\.[^./]*)?$/, ` (${n})$1`);
    }
    this.#sorted = null;
    this.#entries.set(free, { path: free, file, sha256: null });
    this.bytes += file.size;
  }

  remove(path) {
    const entry = this.#entries.get(path);
    if (!entry) return null;
    this.#sorted = null;
    this.#entries.delete(path);
    this.bytes -= entry.file.size;
    return entry;
  }

  clear() {
    this.#sorted = null;
    this.#entries.clear();
    this.bytes = this.junk = 0;
  }

  // the table about the images that lies beside them, if it is clear which file that is
  takeTable() {
    const tables = this.all.filter(({ path }) => TABLE.test(path));
    const named = tables.filter(({ path }) => TABLE_OF_ALL.test(path));
    const one = named.length === 1 ? named[0] : tables.length === 1 ? tables[0] : null;
    return one && this.remove(one.path);
  }
}

export function chosenBy(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function below(entry, told) {
  const path = entry.fullPath.replace(/^\//, "");
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    told(1);
    return [{ path, file }];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // at most 100 a call
    if (!some.length) return found;
    for (const each of await Promise.all(some.map((one) => below(one, told)))) for (const file of each) found.push(file);
  }
}

// told(n): so many more files were found. Raises what the browser raises where a folder cannot be read.
export async function droppedBy(transfer, told) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => item.webkitGetAsEntry?.() ?? item.getAsFile()); // now: after a wait they are gone
  const found = [];
  for (const entry of entries.filter(Boolean)) {
    const some = entry instanceof File ? [{ path: entry.name, file: entry }] : await below(entry, told);
    for (const file of some) found.push(file);
  }
  return found;
}
