// Keeps what is on a page up to date: asks twice in three seconds whether anything has changed, and if so fetches the page anew and
// puts the parts marked `data-live` (each has an id) in place. What somebody is filling in is never touched.
const PERIOD_MS = 1500;
const AT_LEAST_MS = 15000;
const HIDDEN_MS = 30000;

const connection = document.getElementById("connection");
const changes = document.querySelector('meta[name="changes"]')?.content ?? "/console/changes";
let seen = null;
let read = Date.now();
let lostAt = null;

async function refresh() {
  const response = await fetch(location.href, { headers: { accept: "text/html" }, redirect: "manual" });
  if (response.type === "opaqueredirect") { location.reload(); return; }
  if (!response.ok) throw new Error(`${response.status}`);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const part of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(part.id);
    if (next === null || part.contains(document.activeElement)) continue;
    // A part may say which version it is: then what a script drew into it, or a reader opened in it, is no difference.
    if (next.dataset.version !== undefined && next.dataset.version === part.dataset.version) continue;
    for (const opened of part.querySelectorAll("details[open][id]")) fresh.getElementById(opened.id)?.setAttribute("open", "");
    if (next.outerHTML !== part.outerHTML) {
      part.replaceWith(document.adoptNode(next));
      next.dispatchEvent(new CustomEvent("renewed", { bubbles: true }));
    }
  }
  const readAt = fresh.getElementById("read-at");
  if (readAt) document.getElementById("read-at")?.replaceWith(document.adoptNode(readAt));
  read = Date.now();
}

function tell(text) {
  connection.textContent = text;
  connection.hidden = text === "";
}

async function look() {
  try {
    const response = await fetch(changes, { headers: { accept: "application/json" }, redirect: "manual" });
    if (response.type === "opaqueredirect" || response.status === 401) { tell("You are signed out. Reload the page to sign in again."); return; }
    if (!response.ok) throw new Error(`${response.status}`);
    const { seq } = await response.json();
    if ((seen !== null && seq !== seen) || Date.now() - read > AT_LEAST_MS || lostAt !== null) await refresh();
    seen = seq;
    lostAt = null;
    tell("");
  } catch {
    lostAt ??= new Date(read);
    tell(`Headgate does not answer. What you see was read at ${lostAt.toLocaleTimeString()}.`);
  }
  setTimeout(look, document.hidden ? HIDDEN_MS : PERIOD_MS);
}

if (document.querySelector("[data-live]")) setTimeout(look, PERIOD_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden && document.querySelector("[data-live]")) refresh().catch(() => {}); });
