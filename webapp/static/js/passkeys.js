// Signs in by a passkey, uses one as a second factor, or makes one: the browser asks its owner, the form takes the answer along.
const NAMED = {
  NotAllowedError: "Nothing was chosen, or it took too long. Try again.",
  InvalidStateError: "This passkey is there already.",
  SecurityError: "Passkeys work where the site is reached by its name and over https, not by a number.",
  NotSupportedError: "This browser or device knows no such passkeys.",
  AbortError: "It was cancelled. Try again.",
};

const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const known = (keys) => keys?.map((key) => ({ ...key, id: bytes(key.id) }));

async function asked(form) {
  const told = document.getElementById(form.dataset.options);
  if (told) return JSON.parse(told.textContent);
  const answer = await fetch(form.action, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.status === 429 ? "Too many attempts: wait a moment." : "The site could not answer. Try again.");
  const { request_options: options } = await answer.json();
  if (!options) throw new Error("You are signed in already: load the page again.");
  return options;
}

async function found(options) {
  const key = { ...options, challenge: bytes(options.challenge), allowCredentials: known(options.allowCredentials) };
  const given = await navigator.credentials.get({ publicKey: key });
  const { authenticatorData, clientDataJSON, signature, userHandle } = given.response;
  return {
    ...common(given),
    response: {
      authenticatorData: text(authenticatorData),
      clientDataJSON: text(clientDataJSON),
      signature: text(signature),
      userHandle: userHandle ? text(userHandle) : null,
    },
  };
}

async function made(options) {
  const selection = { ...options.authenticatorSelection, residentKey: "required", requireResidentKey: true, userVerification: "required" };
  const key = {
    ...options,
    authenticatorSelection: selection,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: known(options.excludeCredentials),
  };
  const given = await navigator.credentials.create({ publicKey: key });
  const { attestationObject, clientDataJSON } = given.response;
  const transports = given.response.getTransports?.() ?? [];
  return { ...common(given), response: { attestationObject: text(attestationObject), clientDataJSON: text(clientDataJSON), transports } };
}

function common(given) {
  return { id: given.id, rawId: text(given.rawId), type: given.type, clientExtensionResults: given.getClientExtensionResults() };
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const box = form.querySelector("[role=alert]");
  const tell = (sentence) => {
    box.textContent = sentence;
    box.hidden = false;
  };
  const button = form.querySelector("button[type=button]");
  button.addEventListener("click", async () => {
    box.hidden = true;
    if (!window.PublicKeyCredential) return tell(window.isSecureContext ? NAMED.NotSupportedError : NAMED.SecurityError);
    button.disabled = true;
    try {
      const { publicKey } = await asked(form);
      form.elements.credential.value = JSON.stringify(await (form.dataset.passkey === "create" ? made : found)(publicKey));
      form.submit();
    } catch (error) {
      tell(NAMED[error.name] ?? error.message);
      button.disabled = false;
    }
  });
  // Enter in the field of its name means the button too
  form.addEventListener("submit", (event) => {
    if (form.elements.credential.value) return;
    event.preventDefault();
    button.click();
  });
}
