// Asks the browser for a passkey and puts its answer into a form. A form marked `data-passkey` says what is wanted ("use" or "make") and
// in `data-ask` where the question comes from; it is sent by itself once the answer is there.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const called = (descriptor) => ({ ...descriptor, id: bytes(descriptor.id) });

async function make(options) {
  const made = await navigator.credentials.create({
    publicKey: {
      ...options,
      challenge: bytes(options.challenge),
      user: { ...options.user, id: bytes(options.user.id) },
      excludeCredentials: (options.excludeCredentials ?? []).map(called),
    },
  });
  return {
    id: made.id, rawId: text(made.rawId), type: made.type,
    response: { clientDataJSON: text(made.response.clientDataJSON), attestationObject: text(made.response.attestationObject) },
  };
}

async function use(options) {
  const used = await navigator.credentials.get({
    publicKey: { ...options, challenge: bytes(options.challenge), allowCredentials: (options.allowCredentials ?? []).map(called) },
  });
  const { clientDataJSON, authenticatorData, signature, userHandle } = used.response;
  return {
    id: used.id, rawId: text(used.rawId), type: used.type,
    response: {
      clientDataJSON: text(clientDataJSON), authenticatorData: text(authenticatorData), signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  };
}

const SAID = {
  NotAllowedError: "No passkey was chosen, or it took too long. Try again.",
  InvalidStateError: "This device has a passkey of yours already.",
  SecurityError: "A passkey does not work at this address. Open the console by the name that it was set up with.",
};

async function ask(form) {
  const headers = { accept: "application/json" };
  if (form.elements.proof) headers["x-page-proof"] = form.elements.proof.value;
  const response = await fetch(form.dataset.ask, { method: "POST", headers });
  const told = await response.json();
  if (!response.ok) throw new Error([told.detail, told.help].filter(Boolean).join(" "));
  return told;
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const button = form.querySelector("button");
  const status = form.querySelector("[role=status]");
  if (!window.PublicKeyCredential) {
    status.textContent = "This browser knows no passkeys here.";
    continue;
  }
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    status.textContent = "Waiting for your passkey …";
    try {
      const { options, attempt } = await ask(form);
      const answer = form.dataset.passkey === "make" ? await make(options) : await use(options);
      form.elements.answer.value = JSON.stringify(answer);
      if (form.elements.attempt) form.elements.attempt.value = attempt;
      form.submit();
    } catch (problem) {
      status.textContent = SAID[problem.name] ?? problem.message;
      button.disabled = false;
    }
  });
}
