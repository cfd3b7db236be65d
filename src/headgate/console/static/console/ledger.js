// Holds the ledger to what it said before: the checkpoint that this browser saw last time, or one that somebody pastes, must be of
// a tree that the present one has grown from. What is remembered is replaced only by what was proved to follow from it.
import { Broken, bytes, isPrefix, keyOf, opened, same, signatureOf } from "./merkle.js";

const REMEMBERED = "headgate.ledger";
const panel = document.getElementById("since-last-time");
const compare = document.getElementById("compare");
const compared = document.getElementById("compared");
const present = document.getElementById("checkpoint")?.textContent ?? null;
const key = document.getElementById("ledger-key").textContent;

function say(where, kind, sentence) {
  where.dataset.kind = kind;
  where.textContent = sentence;
}

const entries = (count) => `${count.toLocaleString("en")} ${count === 1 ? "entry" : "entries"}`;

async function trusted(note, what, by) {
  const checkpoint = opened(note);
  const signature = await signatureOf(checkpoint, await keyOf(by));
  if (signature === "bad") throw new Broken(`The signature of ${what} is not over its text: somebody changed it.`);
  if (signature === "absent") throw new Broken(`No key of this ledger has signed ${what}.`);
  return { ...checkpoint, checked: signature === "good" };
}

/** Says how an earlier checkpoint and the present one go together; throws where they do not. */
async function follow(note, what) {
  const [earlier, later] = [await trusted(note, what, key), await trusted(present, "the present checkpoint", key)];
  const unchecked = earlier.checked && later.checked ? "" : " The signatures are unchecked: this browser has no Ed25519.";
  const [old, young] = earlier.size <= later.size ? [earlier, later] : [later, earlier];
  if (old.size === young.size) {
    if (!same(old.root, young.root)) throw new Broken(`Two different ledgers of ${entries(old.size)} were signed: history was rewritten.`);
    return { kind: unchecked ? "warn" : "good", sentence: `There are the same ${entries(old.size)} as then.${unchecked}` };
  }
  const response = await fetch(`${compare.dataset.consistency}?from=${old.size}&to=${young.size}`, { headers: { accept: "application/json" } });
  if (!response.ok) throw new Broken(`The ledger cannot show that it has grown from ${what}: ${entries(young.size)} were signed, and it has not so many.`);
  const { path } = await response.json();
  if (!await isPrefix(old.size, young.size, path.map(bytes), old.root, young.root)) throw new Broken(`The ledger has not grown from ${what}: history was rewritten.`);
  const added = young === later ? `${entries(young.size - old.size)} were added since, and none of the ${entries(old.size)} before was changed.` : `It is ahead of the last signed one by ${entries(young.size - old.size)}, and the ledger holds them all.`;
  return { kind: unchecked ? "warn" : "good", sentence: added + unchecked };
}

async function told(where, work) {
  say(where, "calm", "Comparing …");
  try {
    const { kind, sentence } = await work();
    say(where, kind, sentence);
    return true;
  } catch (wrong) {
    if (!(wrong instanceof Broken)) throw wrong;
    say(where, "bad", wrong.message);
    return false;
  }
}

function remembered() {
  try { return JSON.parse(localStorage.getItem(REMEMBERED)); } catch { return null; }
}

async function sinceLastTime() {
  const last = remembered();
  const now = { note: present, key, at: new Date().toISOString() };
  if (last === null) {
    const sound = await told(panel, async () => {
      const { checked, size } = await trusted(present, "the present checkpoint", key);
      return { kind: "calm", sentence: `This browser has now noted the checkpoint of ${entries(size)}${checked ? "" : ", its signature unchecked"}. Next time it says whether the ledger has grown from it.` };
    });
    if (sound) localStorage.setItem(REMEMBERED, JSON.stringify(now));
    return;
  }
  const sound = await told(panel, async () => {
    if (last.key !== key) throw new Broken("The ledger's key is another one than when this browser looked last. Ask who changed it, and compare the checkpoint with somebody else's.");
    const { kind, sentence } = await follow(last.note, "the checkpoint that this browser noted last");
    return { kind, sentence: `Since ${last.at.slice(0, 16).replace("T", " ")} UTC: ${sentence}` };
  });
  if (sound) localStorage.setItem(REMEMBERED, JSON.stringify(now));
}

if (globalThis.crypto?.subtle === undefined) {
  say(panel, "warn", "Unchecked: this browser computes hashes only on pages that came over https or from this machine.");
} else if (present === null) {
  say(panel, "calm", "No checkpoint was signed yet, so there is nothing to compare with.");
} else {
  sinceLastTime();
  compare.hidden = false;
  compare.addEventListener("submit", (event) => {
    event.preventDefault();
    const pasted = `${compare.elements.checkpoint.value.replaceAll("\r\n", "\n").trimEnd()}\n`;
    told(compared, () => follow(pasted, "the checkpoint that you pasted"));
  });
}
