// An OpenID Connect client in a page: code flow with PKCE, both tokens in this module's memory and nowhere else.
// sessionStorage holds only what must survive a redirect: state, nonce, code_verifier, and that somebody was signed in.
// One file, nothing to install; the demo's sample app uses it as well.

const PENDING = "orders.pending";
const KNOWN = "orders.known";

const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));
const sha256 = async (text) => new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));

/** What a JWT says, unchecked: for showing, and for comparing with what we asked. An API is who checks it. */
export function peek(token) {
  const [, payload] = token.split(".");
  const bytes = Uint8Array.from(atob(payload.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

/** What an API that refuses for want of a stronger or fresher sign-in asks for (RFC 9470 §3): `acr_values`, `max_age`, to
 * be handed to `begin`; null where it says nothing of the kind. */
export function challenge(reply) {
  const said = reply.headers.get("WWW-Authenticate") ?? "";
  if (reply.status !== 401 || !/error="insufficient_user_authentication"/.test(said)) return null;
  const wanted = {};
  for (const [, name, value] of said.matchAll(/\b(acr_values|max_age)="([^"]*)"/g)) wanted[name] = value;
  return wanted;
}

export class Client {
  #config;
  #metadata;
  #tokens = null;
  #underway = null;
  rotations = 0;

  constructor(config, metadata) {
    this.#config = config;
    this.#metadata = metadata;
  }

  /** Read the issuer's metadata (OpenID Connect Discovery §4). */
  static async discover(config) {
    const reply = await fetch(`${config.issuer}/.well-known/openid-configuration`, { credentials: "omit" });
    const metadata = await reply.json();
    if (metadata.issuer !== config.issuer) throw new Error("The metadata names another issuer.");
    return new Client(config, metadata);
  }

  get issuer() {
    return this.#config.issuer;
  }

  get signedIn() {
    return this.#tokens !== null;
  }

  get wasSignedIn() {
    return sessionStorage.getItem(KNOWN) !== null;
  }

  get #redirectUri() {
    return this.#config.redirect_uri;
  }

  /** Leave for the issuer's pages. `silent` asks with prompt=none: no page is shown, the answer comes at once. `wanted`
   * is what an API wants of the sign-in: see `challenge`. */
  async begin({ silent = false, signUp = false, wanted = {} } = {}) {
    const pending = { state: random(), nonce: random(), verifier: random(), silent, started: Date.now() };
    sessionStorage.setItem(PENDING, JSON.stringify(pending));
    const asked = {
      response_type: "code",
      client_id: this.#config.client_id,
      redirect_uri: this.#redirectUri,
      scope: this.#config.scope,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: base64url(await sha256(pending.verifier)),
      code_challenge_method: "S256",
      ...wanted,
    };
    if (silent) asked.prompt = "none";
    if (signUp) asked.prompt = "create";
    location.assign(`${this.#metadata.authorization_endpoint}?${new URLSearchParams(asked)}`);
  }

  /** Whether the issuer offers a way straight to sign-up (Initiating User Registration 1.0 §4). */
  get offersSignUp() {
    return this.#metadata.prompt_values_supported?.includes("create") ?? false;
  }

  /** Take the answer in the address, if there is one: {outcome: none | signed_in | refused, …}. */
  async arrive() {
    const answer = new URLSearchParams(location.search);
    const pending = JSON.parse(sessionStorage.getItem(PENDING) ?? "null");
    if (!answer.has("code") && !answer.has("error")) return { outcome: "none" };
    // The code must not stay in the address bar or in the history.
    history.replaceState(null, "", location.pathname);
    sessionStorage.removeItem(PENDING);
    if (pending === null || answer.get("state") !== pending.state) return { outcome: "refused", error: "state" };
    // Mix-up: an answer from another issuer than the one we asked (RFC 9207 §2.4).
    if (answer.has("iss") ? answer.get("iss") !== this.issuer : this.#metadata.authorization_response_iss_parameter_supported) {
      return { outcome: "refused", error: "iss" };
    }
    const took = Date.now() - pending.started;
    if (answer.has("error")) {
      this.forget();
      return { outcome: "refused", error: answer.get("error"), silent: pending.silent };
    }
    const tokens = await this.#token({
      grant_type: "authorization_code",
      code: answer.get("code") ?? "",
      redirect_uri: this.#redirectUri,
      code_verifier: pending.verifier,
    });
    this.#keep(tokens, pending.nonce);
    return { outcome: "signed_in", silent: pending.silent, took };
  }

  async #token(fields) {
    const reply = await fetch(this.#metadata.token_endpoint, {
      method: "POST",
      credentials: "omit",
      body: new URLSearchParams({ client_id: this.#config.client_id, ...fields }),
    });
    const body = await reply.json();
    if (!reply.ok) throw new Error(body.error ?? "The token endpoint did not answer as expected.");
    return body;
  }

  // The ID token came straight from the token endpoint, so the connection vouches for it (OpenID Connect Core
  // §3.1.3.7, step 6); what it says must still fit what we asked.
  #keep(tokens, nonce) {
    const claims = peek(tokens.id_token);
    const audience = [claims.aud].flat();
    if (claims.iss !== this.issuer || !audience.includes(this.#config.client_id) || claims.nonce !== nonce) {
      throw new Error("The ID token is not the one that was asked for.");
    }
    this.#tokens = { access: tokens.access_token, refresh: tokens.refresh_token, id: tokens.id_token, claims };
    sessionStorage.setItem(KNOWN, "yes");
  }

  /** Name and email of the user, from the ID token. */
  get claims() {
    return this.#tokens?.claims ?? null;
  }

  /** The access token as it is, fresh or not. */
  get held() {
    return this.#tokens?.access ?? null;
  }

  /** An access token with half a minute left at least. */
  async accessToken() {
    const left = peek(this.#tokens.access).exp - Date.now() / 1000;
    if (left < 30 && this.#tokens.refresh) await this.refresh();
    return this.#tokens.access;
  }

  /** Rotate: the old refresh token is used up, so two at a time share one request. */
  refresh() {
    this.#underway ??= this.#rotate().finally(() => (this.#underway = null));
    return this.#underway;
  }

  async #rotate() {
    const tokens = await this.#token({ grant_type: "refresh_token", refresh_token: this.#tokens.refresh });
    const refresh = tokens.refresh_token ?? this.#tokens.refresh;
    if (refresh !== this.#tokens.refresh) this.rotations += 1;
    this.#tokens = { ...this.#tokens, access: tokens.access_token, refresh, id: tokens.id_token ?? this.#tokens.id };
  }

  /** The issuer's session as its first-party pages may see it: null where there is none, or its cookie does not get
   * there because this page is not on the issuer's site. */
  async session() {
    const reply = await fetch(`${this.issuer}/api/session`, { credentials: "include" }).catch(() => null);
    return reply?.ok ? await reply.json() : null;
  }

  /** Log out without leaving the page. Ends the session, and with it all that it let in; where the session cannot be
   * reached, at least what this page holds. Tells which of the two it was: "session" or "grant". */
  async end() {
    const session = await this.session();
    if (session !== null) {
      const reply = await fetch(`${this.issuer}/api/session`, {
        method: "DELETE",
        credentials: "include",
        headers: { "X-CSRF-Token": session.csrf_token },
      });
      if (reply.ok) return this.#over("session");
    }
    await this.giveBack();
    return this.#over("grant");
  }

  // From here on a reload has nothing to come back to.
  #over(what) {
    sessionStorage.removeItem(KNOWN);
    return what;
  }

  /** Give the refresh token back (RFC 7009): its whole family ends, the access token with it. */
  async giveBack() {
    const reply = await fetch(this.#metadata.revocation_endpoint, {
      method: "POST",
      credentials: "omit",
      body: new URLSearchParams({ client_id: this.#config.client_id, token: this.#tokens.refresh }),
    });
    if (!reply.ok) throw new Error("The issuer did not take the refresh token back.");
  }

  /** Whether the refresh token, given back, is dead. */
  async refreshIsDead() {
    try {
      await this.#token({ grant_type: "refresh_token", refresh_token: this.#tokens.refresh });
      return false;
    } catch (error) {
      return error.message === "invalid_grant";
    }
  }

  /** Where to go to end the session itself (RP-Initiated Logout §2). */
  endSessionUrl() {
    const asked = {
      id_token_hint: this.#tokens.id,
      client_id: this.#config.client_id,
      post_logout_redirect_uri: this.#redirectUri,
      state: "signed-out",
    };
    return `${this.#metadata.end_session_endpoint}?${new URLSearchParams(asked)}`;
  }

  forget() {
    this.#tokens = null;
    sessionStorage.removeItem(KNOWN);
  }
}
