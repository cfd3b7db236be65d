// A conversation on the chat page. What is said stands in the page, and in this browser's storage only if its owner wishes; all of it
// is shown as text. Answers come as events of OpenAI's or Anthropic's API, or whole.
const form = document.getElementById("say");
const words = document.getElementById("words");
const model = document.getElementById("model");
const conversation = document.getElementById("conversation");
const turnTemplate = document.getElementById("turn");
const trouble = document.getElementById("trouble");
const stop = document.getElementById("stop");
const send = document.getElementById("send");
const keep = document.getElementById("keep");
const left = document.getElementById("left");
const report = document.getElementById("report");
const { proof, at } = form.dataset;
const KEPT = "headgate-conversation";

let messages = [];
let under = null;

function show(role, text) {
  const turn = turnTemplate.content.firstElementChild.cloneNode(true);
  turn.dataset.role = role;
  turn.querySelector(".who").textContent = role === "user" ? "You" : model.value;
  turn.querySelector(".text").textContent = text;
  conversation.append(turn);
  turn.scrollIntoView({ block: "end" });
  return turn;
}

function tell(text) {
  trouble.textContent = text;
  trouble.hidden = text === "";
}

function remember() {
  if (keep.checked) localStorage.setItem(KEPT, JSON.stringify({ model: model.value, messages }));
  else localStorage.removeItem(KEPT);
}

function begin() {
  messages = [];
  conversation.replaceChildren();
  tell("");
  remember();
  words.focus();
}

function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(KEPT) ?? "null");
    if (kept === null) return;
    keep.checked = true;
    messages = kept.messages.filter(({ role, content }) => (role === "user" || role === "assistant") && typeof content === "string");
    for (const { role, content } of messages) show(role, content);
  } catch {
    localStorage.removeItem(KEPT);
  }
}

// What one event of a stream adds to the answer, and whether it says that the answer was cut.
function read(event) {
  if (event.error) throw new Error(event.error.message ?? "The answer broke off.");
  const choice = event.choices?.[0];
  if (choice) return { text: choice.delta?.content ?? "", cut: choice.finish_reason === "content_filter" };
  if (event.type === "content_block_delta") return { text: event.delta?.text ?? "", cut: false };
  if (event.type === "message_delta") return { text: "", cut: event.delta?.stop_reason === "refusal" };
  return { text: "", cut: false };
}

function whole(body) {
  const choice = body.choices?.[0];
  if (choice) return { text: choice.message?.content ?? "", cut: choice.finish_reason === "content_filter" };
  const parts = (body.content ?? []).filter((part) => part.type === "text").map((part) => part.text);
  return { text: parts.join(""), cut: body.stop_reason === "refusal" };
}

async function* events(stream) {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    rest += decoder.decode(bytes, { stream: true });
    const lines = rest.split(/\r\n|\n|\r/);
    rest = lines.pop();
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data !== "[DONE]" && data !== "") yield JSON.parse(data);
    }
  }
}

async function problem(response) {
  const said = await response.json().catch(() => ({}));
  const error = said.error ?? said;
  const reason = error.message ?? error.detail ?? `The answer was ${response.status}.`;
  const wait = response.headers.get("retry-after");
  return [reason, said.help ?? "", wait ? `Try again in ${wait} seconds.` : ""].filter(Boolean).join(" ");
}

function remaining(headers) {
  const told = [["requests", "messages"], ["tokens", "tokens"]]
    .map(([unit, name]) => [headers.get(`x-ratelimit-remaining-${unit}`) ?? headers.get(`anthropic-ratelimit-${unit}-remaining`), name])
    .filter(([count]) => count !== null)
    .map(([count, name]) => `${Number(count).toLocaleString("en")} ${name}`);
  if (told.length) left.textContent = told.join(", ");
}

async function answer() {
  tell("");
  under = new AbortController();
  stop.hidden = false;
  send.disabled = true;
  const turn = show("assistant", "");
  turn.setAttribute("aria-busy", "true");
  const place = turn.querySelector(".text");
  let text = "";
  let cut = false;
  let failed = "";
  let exchange = null;
  try {
    const response = await fetch(`${at}/say`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-page-proof": proof },
      body: JSON.stringify({ model: model.value, messages }),
      signal: under.signal,
    });
    exchange = response.headers.get("x-request-id") ?? response.headers.get("request-id");
    remaining(response.headers);
    if (!response.ok) failed = await problem(response);
    else if (response.headers.get("content-type")?.startsWith("text/event-stream")) {
      for await (const event of events(response.body)) {
        const more = read(event);
        text += more.text;
        cut ||= more.cut;
        if (more.text) place.textContent = text;
      }
    } else ({ text, cut } = whole(await response.json()));
  } catch (error) {
    failed = error.name === "AbortError" ? "You stopped the answer." : error.message || "The connection broke off.";
  }
  place.textContent = text;
  turn.removeAttribute("aria-busy");
  under = null;
  stop.hidden = true;
  send.disabled = false;
  if (cut) failed = "The answer was cut: a rule of this stage does not let it through.";
  if (text === "" && failed) turn.remove();
  else mark(turn, failed, exchange);
  if (failed) tell(failed);
  if (text !== "") messages.push({ role: "assistant", content: text });
  else words.value ||= messages.pop().content;
  remember();
}

function mark(turn, failed, exchange) {
  const line = turn.querySelector(".under");
  line.textContent = failed ? "Not complete. " : "";
  if (exchange === null) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  button.textContent = "Report";
  button.addEventListener("click", () => complain(exchange, button));
  line.append(button);
}

function complain(exchange, button) {
  const note = document.getElementById("note");
  note.value = "";
  report.returnValue = "";
  report.showModal();
  report.addEventListener("close", async () => {
    if (report.returnValue !== "report" || note.value.trim() === "") return;
    const response = await fetch(`${at}/report`, {
      method: "POST",
      headers: { "content-type": "application/json", "x-page-proof": proof },
      body: JSON.stringify({ exchange, note: note.value }),
    });
    if (!response.ok) { tell(await problem(response)); return; }
    button.textContent = "Reported";
    button.disabled = true;
  }, { once: true });
}

form.addEventListener("submit", async (submitted) => {
  submitted.preventDefault();
  const text = words.value.trim();
  if (text === "" || under !== null) return;
  words.value = "";
  messages.push({ role: "user", content: text });
  show("user", text);
  await answer();
  words.focus();
});
words.addEventListener("keydown", (pressed) => {
  if (pressed.key === "Enter" && !pressed.shiftKey && !pressed.isComposing) { pressed.preventDefault(); form.requestSubmit(); }
});
stop.addEventListener("click", () => under?.abort());
keep.addEventListener("change", remember);
document.getElementById("forget").addEventListener("click", begin);
recall();
