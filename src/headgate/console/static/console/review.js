// One key for each decision, and the next item without another page: every form of the section is sent by `fetch`, and what comes
// back is the section anew, made and escaped by the server. Without this script the same forms do the same.
const told = document.getElementById("told");
const off = document.getElementById("keys-off");
const KEPT = "headgate-keys";
let busy = false;

const section = () => document.getElementById("reading");
const keysOn = () => sessionStorage.getItem(KEPT) !== "off";

function say(text, kind = "calm") {
  told.textContent = text;
  told.dataset.kind = kind;
  told.hidden = text === "";
}

async function send(form, button) {
  if (busy) return;
  busy = true;
  section().setAttribute("aria-busy", "true");
  const body = new FormData(form, button ?? undefined);
  body.set("as", "script");
  try {
    const response = await fetch(form.action, { method: "POST", body, headers: { accept: "application/json" }, redirect: "manual" });
    const kind = response.headers.get("content-type") ?? "";
    if (kind.startsWith("text/html")) await show(response);
    else await explain(response, kind);
  } catch {
    say("Headgate does not answer. Nothing was lost: try again in a moment.", "bad");
  } finally {
    busy = false;
    section().removeAttribute("aria-busy");
  }
}

async function show(response) {
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("reading");
  if (fresh === null) { location.reload(); return; }
  const next = document.adoptNode(fresh);
  section().replaceWith(next);
  say(next.dataset.told);
  (next.querySelector("#trouble") ?? next.querySelector("#reading-title"))?.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

async function explain(response, kind) {
  if (response.type === "opaqueredirect" || response.status === 401) { say("You are signed out. Reload the page to sign in again.", "bad"); return; }
  const problem = kind.includes("json") ? await response.json() : {};
  say([problem.detail ?? "This was not done.", problem.help ?? ""].join(" ").trim(), "bad");
}

document.addEventListener("submit", (event) => {
  if (!section()?.contains(event.target)) return;
  event.preventDefault();
  send(event.target, event.submitter);
});

const writing = (target) => target.matches?.('textarea, select, input:not([type="checkbox"], [type="radio"])');

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || section() === null) return;
  if (event.key === "Escape" && writing(event.target)) { event.target.blur(); return; }
  if (!keysOn() || writing(event.target) || event.repeat) return;
  if (press(event.key, event.target)) event.preventDefault();
});

// Returns whether the key meant something here. Enter and space keep their own meaning on what they can press.
function press(key, target) {
  const own = target.closest?.("button, a, summary, input");
  if (key === " " && !own) {
    const said = document.getElementById("said");
    if (said === null) return false;
    said.open = !said.open;
    return true;
  }
  if (key === "Enter") {
    if (own && own.tagName !== "INPUT") return false;
    const harm = document.getElementById("harm");
    if (harm !== null) { harm.form.requestSubmit(harm); return true; }
    section().querySelector('form[data-key="Enter"]')?.requestSubmit();
    return true;
  }
  if (key === "k") {
    const other = section().querySelector('input[data-key="o"]');
    if (other === null) return false;
    other.checked = true;
    document.getElementById("kind").focus();
    return true;
  }
  const meant = [...section().querySelectorAll("[data-key]")].find((each) => each.dataset.key === key);
  if (meant === undefined) return false;
  if (meant.tagName === "FORM") meant.requestSubmit();
  else if (meant.tagName === "BUTTON") meant.form.requestSubmit(meant);
  else if (meant.type === "checkbox") meant.checked = !meant.checked;
  else if (meant.type === "radio") meant.checked = true;
  else meant.focus();
  return true;
}

function showKeys() {
  off.hidden = false;
  off.setAttribute("aria-pressed", String(!keysOn()));
  off.textContent = keysOn() ? "Turn keys off" : "Keys are off: turn them on";
}

off.addEventListener("click", () => { sessionStorage.setItem(KEPT, keysOn() ? "off" : "on"); showKeys(); });
showKeys();
