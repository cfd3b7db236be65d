// Checks what the ledger claims, with nothing but this browser: RFC 6962 trees (the procedures are those of RFC 9162, sections
// 2.1.3.2 and 2.1.4.2) and C2SP signed notes (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint).
// Sizes are halved by division: bit operations would end at 2^31.

const text = new TextEncoder();
const HASH_BYTES = 32;
const ED25519 = 1;

/** Says what in a proof is not what it claims to be. */
export class Broken extends Error {}

/** The bytes that standard base64 spells, in the one spelling that they have. */
export function bytes(base64) {
  let raw;
  try { raw = atob(base64); } catch { throw new Broken(`“${base64}” is not base64.`); }
  if (btoa(raw) !== base64) throw new Broken(`“${base64}” is not the one spelling of its value.`);
  return Uint8Array.from(raw, (letter) => letter.charCodeAt(0));
}

export function base64(value) {
  return btoa(String.fromCharCode(...value));
}

export function same(left, right) {
  return left.length === right.length && left.every((byte, at) => byte === right[at]);
}

/** Where two texts first differ, counted in bytes from 0; null where they do not. */
export function firstDifference(left, right) {
  const [here, there] = [text.encode(left), text.encode(right)];
  const length = Math.max(here.length, there.length);
  for (let at = 0; at < length; at += 1) if (here[at] !== there[at]) return at;
  return null;
}

async function sha256(...parts) {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) { whole.set(part, at); at += part.length; }
  return new Uint8Array(await crypto.subtle.digest("SHA-256", whole));
}

export const leafHash = (leaf) => sha256(Uint8Array.of(0), text.encode(leaf));
const nodeHash = (left, right) => sha256(Uint8Array.of(1), left, right);
const half = (number) => Math.floor(number / 2);
const odd = (number) => number % 2 === 1;

function mustBeSize(...sizes) {
  for (const size of sizes) if (!Number.isSafeInteger(size) || size < 0) throw new Broken(`${size} is not a size.`);
}

/** The root that a leaf's hash and its path give; throws where the path has not the length that the tree asks for. */
export async function rootOf(hash, index, size, path) {
  mustBeSize(index, size);
  if (index >= size) throw new Broken(`A tree of ${size} entries has no leaf ${index}.`);
  let [node, last, value] = [index, size - 1, hash];
  for (const sibling of path) {
    if (last === 0) throw new Broken("The path is longer than the tree is high.");
    if (odd(node) || node === last) {
      value = await nodeHash(sibling, value);
      while (!odd(node) && node > 0) [node, last] = [half(node), half(last)];
    } else {
      value = await nodeHash(value, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  if (last !== 0) throw new Broken("The path is shorter than the tree is high.");
  return value;
}

/** Whether the path proves that the earlier tree is a prefix of the later one. */
export async function isPrefix(first, second, path, firstRoot, secondRoot) {
  mustBeSize(first, second);
  if (first > second) return false;
  if (first === 0) return path.length === 0 && same(firstRoot, await sha256());
  if (first === second) return path.length === 0 && same(firstRoot, secondRoot);
  // a first tree that is one complete subtree is its own first hash, which the proof leaves out
  const hashes = Number.isInteger(Math.log2(first)) ? [firstRoot, ...path] : [...path];
  if (hashes.length === 0) return false;
  let [node, last] = [first - 1, second - 1];
  while (odd(node)) [node, last] = [half(node), half(last)];
  let [earlier, later] = [hashes[0], hashes[0]];
  for (const sibling of hashes.slice(1)) {
    if (last === 0) return false;
    if (odd(node) || node === last) {
      [earlier, later] = [await nodeHash(sibling, earlier), await nodeHash(sibling, later)];
      while (!odd(node) && node > 0) [node, last] = [half(node), half(last)];
    } else {
      later = await nodeHash(later, sibling);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && same(earlier, firstRoot) && same(later, secondRoot);
}

/** A signed checkpoint's parts: whose ledger, how many entries, which root, and who signed what. */
export function opened(note) {
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n")) throw new Broken("A checkpoint has a text, an empty line and signatures.");
  const said = note.slice(0, cut + 1);
  const lines = said.split("\n");
  if (lines.length !== 4 || lines[0] === "" || !/^(0|[1-9][0-9]{0,15})$/.test(lines[1])) throw new Broken("A checkpoint has three lines: its origin, its size and its root.");
  const root = bytes(lines[2]);
  if (root.length !== HASH_BYTES) throw new Broken(`A checkpoint's root has ${HASH_BYTES} bytes.`);
  const signatures = note.slice(cut + 2, -1).split("\n").map((line) => {
    const found = /^\u2014 ([^\s+]+) (\S+)$/.exec(line);
    if (found === null) throw new Broken("A signature line is a dash, a name and a signature.");
    const value = bytes(found[2]);
    return { name: found[1], id: value.slice(0, 4), signature: value.slice(4) };
  });
  return { said, origin: lines[0], size: Number(lines[1]), root, signatures };
}

/** A verifier key's parts, if its hash is that of its name and key. */
export async function keyOf(line) {
  const found = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(line);
  if (found === null) throw new Broken("A key is a name, a hash and base64, joined by plus.");
  const value = bytes(found[3]);
  if (value[0] !== ED25519 || value.length !== HASH_BYTES + 1) throw new Broken("The key is not of the kind Ed25519.");
  const id = (await sha256(text.encode(`${found[1]}\n`), value)).slice(0, 4);
  if ([...id].map((byte) => byte.toString(16).padStart(2, "0")).join("") !== found[2]) throw new Broken("The key's hash is not that of its name and key.");
  return { name: found[1], id, public: value.slice(1) };
}

/** What a key's signature under a note is: "good", "bad", "absent", or "unchecked" where this browser has no Ed25519. */
export async function signatureOf(checkpoint, key) {
  const signed = checkpoint.signatures.find((each) => each.name === key.name && same(each.id, key.id));
  if (signed === undefined || checkpoint.origin !== key.name) return "absent";
  let imported;
  try {
    imported = await crypto.subtle.importKey("raw", key.public, { name: "Ed25519" }, false, ["verify"]);
  } catch {
    return "unchecked";
  }
  return await crypto.subtle.verify({ name: "Ed25519" }, imported, signed.signature, text.encode(checkpoint.said)) ? "good" : "bad";
}
