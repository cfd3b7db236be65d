// Shows what was understood of a file without leaving the page, so that the file stays chosen for filing it. The server makes the
// markup; without this script the page comes anew, and the same file is chosen once more.
const told = document.getElementById("told");

const form = () => document.getElementById("hand-in");

function say(text) {
  told.textContent = text;
  told.dataset.kind = "bad";
  told.hidden = text === "";
}

async function look(sent) {
  say("");
  sent.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(sent.action, { method: "POST", body: new FormData(sent), headers: { accept: "text/html" }, redirect: "manual" });
    if (response.type === "opaqueredirect") { location.reload(); return; }
    const fresh = new DOMParser().parseFromString(await response.text(), "text/html").getElementById("hand-in");
    if (fresh === null) { say("This was not understood: reload the page and try again."); return; }
    const chosen = sent.elements.file;
    const next = document.adoptNode(fresh);
    next.elements.file.replaceWith(chosen);
    next.classList.add("has-file");
    sent.replaceWith(next);
    (next.querySelector("#trouble") ?? next.querySelector("#understood-title"))?.scrollIntoView({ block: "center" });
    next.querySelector("#understood-title")?.focus({ preventScroll: true });
  } catch {
    say("Headgate does not answer. Nothing was filed: try again in a moment.");
  } finally {
    form()?.removeAttribute("aria-busy");
  }
}

document.addEventListener("submit", (event) => {
  if (event.target !== form() || event.submitter?.id === "file-it") return;
  event.preventDefault();
  look(event.target);
});
