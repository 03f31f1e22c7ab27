// Asking the site: an answer is JSON, and each way in which there is none has a name.
export class Refused extends Error {} // the site says why
export class SignedOut extends Error {}
export class Unreachable extends Error {}

// from the cookie, not from the page: whoever signs in anew in another tab has a new one
export function token() {
  const kept = document.cookie.split("; ").find((each) => each.startsWith("csrftoken="));
  return kept?.slice("csrftoken=".length) ?? document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
}

async function fetched(address, options) {
  try {
    return await fetch(address, { credentials: "same-origin", ...options });
  } catch {
    throw new Unreachable("The site cannot be reached. Look at the connection, then try again.");
  }
}

async function read(answer) {
  const isJson = answer.headers.get("Content-Type")?.includes("json");
  const told = isJson ? await answer.json().catch(() => null) : null;
  if (answer.ok && told) return told;
  if (answer.redirected || [401, 403].includes(answer.status)) {
    throw new SignedOut("Your session is over. Sign in in another tab, then press the button again: nothing is lost here.");
  }
  if (answer.status === 404) throw new Refused("This is no longer here for you. Load the page again.");
  if (answer.status === 503) throw new Unreachable("The site is out of order for the moment. Try again in some seconds.");
  throw new Refused(told?.detail || `The site could not answer (${answer.status}). Try again.`);
}

export async function ask(address) {
  return read(await fetched(address, { headers: { Accept: "application/json" } }));
}

// what is answered with a page, as forms are. Raises where that is another one than expected: signed out, or an error
export async function sendForm(address, expected) {
  const answer = await fetched(address, { method: "POST", body: new FormData(), headers: { "X-CSRFToken": token() } });
  if (!answer.ok || new URL(answer.url).pathname !== new URL(expected, window.location).pathname) await read(answer);
}

export async function post(address, body) {
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  return read(await fetched(address, { method: "POST", body, headers }));
}
