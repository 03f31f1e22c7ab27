// Going on with an upload after the page was left: files chosen again are matched to those that have not arrived.
import { hash } from "./upload-hashing.js";

const NAME_LENGTH = 1024;

// names as the archive writes them: what cannot be printed becomes a mark, and of one too long the end is kept
function plain(name) {
  const shown = name.replace(/\p{C}|(?! )\p{Z}/gu, "\ufffd").trim() || "unnamed";
  const letters = shown.length > NAME_LENGTH ? [...shown] : [];
  return letters.length > NAME_LENGTH ? `…${letters.slice(-(NAME_LENGTH - 1)).join("")}` : shown;
}

const last = (name) => name.slice(name.lastIndexOf("/") + 1);
const key = (name, bytes) => `${bytes}/${name}`;

function byLastPart(entries) {
  const found = new Map();
  for (const entry of entries) {
    const name = key(last(plain(entry.path)), entry.file.size);
    found.set(name, found.has(name) ? null : entry); // two of a name and size: neither is sure
  }
  return found;
}

// pending: [{ name, bytes, sha256, address, offset }] -> { found: items to send, missing: those that no chosen file fits }
export async function matched(pending, entries, told, signal) {
  const whole = new Map(entries.map((entry) => [key(plain(entry.path), entry.file.size), entry]));
  const parts = byLastPart(entries);
  const pairs = pending.map((item) => [item, whole.get(key(item.name, item.bytes)) ?? parts.get(key(last(item.name), item.bytes))]);
  const together = pairs.filter(([, entry]) => entry);
  await hash(together.filter(([item]) => item.sha256).map(([, entry]) => entry), told, signal);
  const same = ([item, entry]) => !item.sha256 || !entry.sha256 || item.sha256 === entry.sha256;
  const found = together.filter(same);
  const missing = [...pairs.filter(([, entry]) => !entry), ...together.filter((pair) => !same(pair))];
  return { found: found.map(([item, entry]) => toSend(item, entry)), missing: missing.map(([item]) => item) };
}

export function toSend({ address, kind, offset }, { path, file }, { fresh = false } = {}) {
  return { address, kind, path, file, fresh, loaded: offset ?? 0 };
}

// announced: [{ name, address, bytes }] -> items to send; every one has its file, or the site and this page disagree
export function announcedWith(announced, chosen) {
  const byName = new Map(chosen.map((entry) => [plain(entry.path), entry]));
  return announced.map((item) => {
    const entry = byName.get(plain(item.name));
    if (!entry) throw new Error("The site asks for a file that was not chosen. Load the page again.");
    return toSend(item, entry, { fresh: true });
  });
}
