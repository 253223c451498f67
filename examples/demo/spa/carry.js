// One request to an API, carried by a session cookie or by a token, and what it took.

const bytes = (text) => new TextEncoder().encode(text).length;

/** How many bytes the issuer's session cookie adds to a request. The page cannot read the cookie (HttpOnly), but its
 * form is fixed: a name made from the issuer's URL, and 256 random bits in base64url. */
export async function cookieBytes(issuer) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(issuer)));
  const short = [...digest.slice(0, 3)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const prefix = issuer.startsWith("https:") ? "__Host-admit-" : "admit-dev-";
  return bytes(`${prefix}${short}=${"x".repeat(43)}`);
}

/** Ask `url`; `token` null carries the session instead. Resolves for every answer, also for none. */
export async function ask(url, token, sessionBytes, { method = "GET", csrfToken = null } = {}) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  if (csrfToken !== null) headers["X-CSRF-Token"] = csrfToken;
  const begun = performance.now();
  let reply;
  try {
    reply = await fetch(url, { method, headers, credentials: token === null ? "include" : "omit", cache: "no-store" });
  } catch {
    return { status: 0, carried: 0, calls: [], took: performance.now() - begun, body: null, challenge: "" };
  }
  const body = await reply.json().catch(() => null);
  // A cookie belongs to a host: it is sent where the API shares the issuer's, and nowhere else.
  const arrives = new URL(url).hostname === new URL(sessionBytes.issuer).hostname;
  const said = reply.headers.get("X-Demo-Carried");
  const computed = token === null ? (arrives ? sessionBytes.size : 0) : bytes(`Bearer ${token}`);
  return {
    status: reply.status,
    carried: said === null ? computed : Number(said),
    calls: (reply.headers.get("X-Demo-Calls") ?? "").split(",").map((call) => call.trim()).filter(Boolean),
    took: performance.now() - begun,
    body,
    challenge: reply.headers.get("WWW-Authenticate") ?? "",
  };
}
