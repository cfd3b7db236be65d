// Proves in this browser that the entry on the page is in the ledger: from the bytes that stand on the page, not from what the
// server says of them. Where the proof fails, it is fetched anew, so that the first byte which differs can be named.
import { Broken, base64, bytes, firstDifference, keyOf, leafHash, opened, rootOf, same, signatureOf } from "./merkle.js";

const proof = document.getElementById("proof");
const steps = document.getElementById("proof-steps");
const verdict = document.getElementById("proof-verdict");
const shown = (id) => document.getElementById(id)?.textContent ?? null;
const onPage = () => ({
  leaf: shown("leaf"),
  hash: shown("leaf-hash"),
  path: [...document.querySelectorAll("#path code")].map((each) => each.textContent),
  root: shown("root"),
  index: Number(proof.dataset.index),
  size: Number(proof.dataset.size),
  checkpoint: shown("checkpoint"),
  key: shown("ledger-key"),
});

function say(kind, sentence) {
  verdict.dataset.kind = kind;
  verdict.textContent = sentence;
}

function step(kind, sentence) {
  const item = document.createElement("li");
  item.dataset.kind = kind;
  item.textContent = sentence;
  steps.append(item);
}

/** Goes through the proof and throws at the first thing that is not what it claims to be. */
async function check(here) {
  const hash = await leafHash(here.leaf);
  if (base64(hash) !== here.hash) throw new Broken("The entry's bytes are not those that were recorded: they have another hash.");
  step("good", "The entry's bytes have the leaf hash shown.");
  const root = await rootOf(hash, here.index, here.size, here.path.map(bytes));
  if (!same(root, bytes(here.root))) throw new Broken(`The path does not lead from the entry to the root of the tree of ${here.size} entries.`);
  step("good", `The path of ${here.path.length} hashes leads from it to the root of the tree of ${here.size.toLocaleString("en")} entries.`);
  if (here.checkpoint === null) {
    step("warn", "No signed checkpoint is large enough yet: nobody has vouched for this tree.");
    return "unsigned";
  }
  const signed = opened(here.checkpoint);
  if (signed.size !== here.size || !same(signed.root, root)) throw new Broken("The signed checkpoint is of another tree than the proof.");
  step("good", "That is the root which the checkpoint names.");
  const signature = await signatureOf(signed, await keyOf(here.key));
  if (signature === "bad") throw new Broken("The checkpoint's signature is not over this text.");
  if (signature === "absent") throw new Broken("The checkpoint is not signed by this ledger's key.");
  if (signature === "unchecked") step("warn", "The signature is unchecked: this browser has no Ed25519.");
  else step("good", "The checkpoint is signed by the ledger's key.");
  return signature;
}

async function difference(here) {
  const response = await fetch(proof.dataset.fresh, { headers: { accept: "application/json" } });
  if (!response.ok) return "";
  const there = await response.json();
  const parts = [
    ["entry", here.leaf, there.leaf], ["leaf hash", here.hash, there.leaf_hash], ["root", here.root, there.tree.root],
    ["checkpoint", here.checkpoint ?? "", there.checkpoint ?? ""], ["key", here.key, there.key],
    ...Array.from({ length: Math.max(here.path.length, there.path.length) }, (_, at) => [`hash ${at + 1} of the path`, here.path[at] ?? "", there.path[at] ?? ""]),
  ];
  for (const [name, left, right] of parts) {
    const at = firstDifference(left, right);
    if (at !== null) return ` The ${name} on this page differs from the ledger's at byte ${at + 1}.`;
  }
  return " The ledger itself says the same: it contradicts itself.";
}

async function run() {
  steps.replaceChildren();
  if (globalThis.crypto?.subtle === undefined) {
    say("warn", "Unchecked: this browser computes hashes only on pages that came over https or from this machine.");
    return;
  }
  say("calm", "Checking …");
  const here = onPage();
  try {
    const signature = await check(here);
    if (signature === "good") say("good", "Proved: this entry is in the ledger, and nothing in it was changed.");
    else if (signature === "unsigned") say("warn", "Proved in a tree that is not signed yet. Sign a checkpoint, then look again.");
    else say("warn", "Proved, but for the signature, which this browser cannot check.");
  } catch (wrong) {
    if (!(wrong instanceof Broken)) throw wrong;
    step("bad", wrong.message);
    say("bad", `NOT proved. ${wrong.message}${await difference(here).catch(() => "")}`);
  }
}

document.getElementById("proof-again").addEventListener("click", run);
document.getElementById("proof-again").hidden = false;
run();
