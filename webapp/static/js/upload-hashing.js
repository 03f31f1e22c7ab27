// SHA-256 of each file, so that the site can say what it has already. Large files go up without: reading them twice takes longer.
const MOST_BYTES = 256 * 2 ** 20;
const LARGE_BYTES = 32 * 2 ** 20; // one of these at a time: each lies in memory as a whole
const LANES = 4;

function hex(buffer) {
  return [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Unreadable extends Error {}

async function digest({ path, file }) {
  let data;
  try {
    data = await file.arrayBuffer();
  } catch {
    throw new Unreadable(`“${path}” cannot be read any more. Was it moved, or changed? Choose the files again.`);
  }
  return hex(await crypto.subtle.digest("SHA-256", data));
}

// Sets entry.sha256, "" where there is none. told(done) after each; signal ends it early.
export async function hash(entries, told, signal) {
  const possible = Boolean(window.crypto?.subtle); // browsers offer it on https and on this machine alone
  const waiting = entries.filter((entry) => entry.sha256 === null);
  let next = 0;
  let done = entries.length - waiting.length;
  let large = Promise.resolve();
  const one = async (entry) => {
    if (!possible || entry.file.size > MOST_BYTES || !entry.file.size) entry.sha256 = "";
    else if (entry.file.size <= LARGE_BYTES) entry.sha256 = await digest(entry);
    else {
      const turn = large.then(() => digest(entry));
      large = turn.catch(() => null);
      entry.sha256 = await turn;
    }
  };
  const lane = async () => {
    while (next < waiting.length && !signal.aborted) {
      const entry = waiting[next];
      next += 1;
      await one(entry);
      done += 1;
      told(done);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
