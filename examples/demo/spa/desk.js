// The page of somebody who is signed in.

import { ask } from "./carry.js";
import { glyph, h } from "./dom.js";
import { callsExplained, result, sideBySide } from "./result.js";
import { watch } from "./watch.js";
import { sessionInWords, tokenInWords, verdict } from "./words.js";

const MODES = [
  ["session", "Session", "a number to look up"],
  ["token", "Token", "a ticket that proves itself"],
];

export class Desk {
  #mode = "session";
  #last = {};
  #answers = h("div", { class: "answers" });
  #status = h("p", { class: "unseen", role: "status" });
  #words = h("div");

  constructor(client, config, sessionBytes, arrival) {
    this.client = client;
    this.config = config;
    this.sessionBytes = sessionBytes;
    this.element = h("div", { class: "desk" }, h("h1", { class: "unseen" }, "Your orders"), this.#arrived(arrival), this.#carried(), this.#status, this.#answers, this.#words, this.#reload(), this.#endings());
    this.#describe();
  }

  #arrived(arrival) {
    if (!arrival.silent) return null;
    return h(
      "p",
      { class: "notice", role: "status" },
      `You reloaded. The tokens lived in memory, so they were gone; the page went through the issuer and came back with new ones in ${arrival.took} ms. You typed nothing, because the issuer's session was still there.`,
    );
  }

  #carried() {
    return h(
      "section",
      { class: "card carried", "aria-labelledby": "carried" },
      h("h2", { id: "carried" }, "Who you are, carried by"),
      h(
        "fieldset",
        { class: "switch" },
        h("legend", { class: "unseen" }, "Carry it by"),
        MODES.map(([mode, name, what]) =>
          h(
            "label",
            {},
            h("input", { type: "radio", name: "mode", value: mode, checked: mode === this.#mode, onchange: () => this.#choose(mode) }),
            h("span", { class: "option" }, glyph(mode), h("span", {}, h("strong", {}, name), h("span", { class: "what" }, what))),
          ),
        ),
      ),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button primary", type: "button", onclick: () => this.#fetch("/api/orders/mine") }, "My orders"),
        h("button", { class: "button quiet", type: "button", onclick: () => this.#fetch("/api/orders") }, "All orders"),
        h("button", { class: "button quiet", type: "button", onclick: () => this.#place() }, "Place an order"),
      ),
      h("p", { class: "muted" }, "Each press asks one and the same API at two addresses: one on the issuer's host, one on another site."),
    );
  }

  #choose(mode) {
    this.#mode = mode;
    this.#answers.replaceChildren();
    this.#describe();
  }

  #describe() {
    this.#words.replaceChildren(
      this.#mode === "token"
        ? tokenInWords(this.client.held, this.client.rotations)
        : sessionInWords(this.client.issuer, this.sessionBytes.size),
    );
  }

  async #fetch(path) {
    const mode = this.#mode;
    let token = null;
    if (mode === "token") {
      try {
        token = await this.client.accessToken();
      } catch {
        this.#answers.replaceChildren(h("p", { class: "alert", role: "alert" }, "The refresh token no longer works: somebody ended this sign-in. Sign in again."));
        return;
      }
    }
    const answers = await Promise.all(this.config.apis.map((api) => ask(api + path, token, this.sessionBytes)));
    if (mode !== this.#mode) return;
    if (answers[0].status === 200) this.#last[mode] = answers[0];
    const shown = [
      h("div", { class: "pair" }, answers.map((answer, n) => result(mode, this.config.apis[n], this.client.issuer, answer))),
      callsExplained(mode),
      sideBySide(this.#last),
    ];
    this.#answers.replaceChildren(...shown.filter(Boolean));
    this.#status.textContent = answers.map((answer, n) => `${new URL(this.config.apis[n]).host}: ${verdict(answer).title}`).join(". ");
    this.#describe();
  }

  /** Changes something, so by session it needs the CSRF token too: the browser adds cookies to anybody's request. */
  async #place() {
    const mode = this.#mode;
    const token = mode === "token" ? await this.client.accessToken() : null;
    const csrfToken = mode === "session" ? ((await this.client.session())?.csrf_token ?? "") : null;
    await ask(`${this.config.api}/api/orders/mine`, token, this.sessionBytes, { method: "POST", csrfToken });
    await this.#fetch("/api/orders/mine");
  }

  #reload() {
    const rotate = async (event) => {
      event.target.disabled = true;
      await this.client.refresh().catch(() => {});
      event.target.disabled = false;
      this.#describe();
    };
    return h(
      "section",
      { class: "card", "aria-labelledby": "reload" },
      h("h2", { id: "reload" }, "Reload, and you are still signed in"),
      h("p", {}, "A page has no safe place to keep a token: if somebody gets a script of theirs into the page, it can read all that the page has stored. So both tokens live in memory only, and die with the page. After a reload the whole page goes to the issuer and asks, without showing anything, whether you are still signed in there (prompt=none). Its session says yes, and new tokens come back."),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button quiet", type: "button", onclick: () => location.reload() }, "Reload this page"),
        h("button", { class: "button quiet", type: "button", onclick: rotate }, "Rotate the refresh token"),
      ),
    );
  }

  #endings() {
    const place = h("div", { class: "place-of-watch" });
    const logOut = h("button", { class: "button quiet voiding", type: "button", onclick: () => this.#logOut(logOut, place) }, "Log out");
    const look = (event) => {
      event.target.disabled = true;
      const watching = watch(this.config.apis, this.client.held, this.sessionBytes, { loggedOut: false });
      place.replaceChildren(watching.element);
    };
    return h(
      "section",
      { class: "card", "aria-labelledby": "endings" },
      h("h2", { id: "endings" }, "End it, and watch"),
      h("p", {}, "Log out: the issuer ends the session, and with it the refresh token, at once. The access token is already out in the world, so the page keeps it a moment longer and tries it each second. Or let somebody else end it: press ", h("em", {}, "Watch the token"), ", then end this session on the page of your account, or disable the user from a terminal."),
      h("div", { class: "row" }, logOut, h("button", { class: "button quiet", type: "button", onclick: look }, "Watch the token")),
      place,
    );
  }

  async #logOut(button, place) {
    button.disabled = true;
    const old = this.client.held;
    // The twin of what follows: the same question, with the same token, while the token is good.
    const before = await Promise.all(this.config.apis.map((api) => ask(`${api}/api/orders/mine`, old, this.sessionBytes)));
    let ended;
    try {
      ended = await this.client.end();
    } catch (error) {
      button.disabled = false;
      place.replaceChildren(h("p", { class: "alert", role: "alert" }, error.message));
      return;
    }
    const watching = watch(this.config.apis, old, this.sessionBytes, { loggedOut: true, before });
    const session = h("p", { class: "verdict" }, glyph("session"), h("span", {}, "Session: asking"));
    const refresh = h("p", { class: "verdict" }, glyph("token"), h("span", {}, "Refresh token: asking"));
    const finish = h("button", { class: "button primary", type: "button", onclick: () => this.#finish() }, ended === "session" ? "Done" : "Sign out at the issuer too");
    const title = h("h1", { tabindex: "-1" }, "You are logged out");
    document.getElementById("person").replaceChildren();
    this.element.replaceChildren(title, h("div", { class: "verdicts" }, session, refresh), watching.element, finish);
    title.focus();

    const cookie = await ask(`${this.config.api}/api/orders/mine`, null, this.sessionBytes);
    tell(session, "session", cookie.status === 401, cookie.status === 401 ? "Session: refused at once" : ended === "session" ? `Session: the API answers ${cookie.status}` : "Session: still there. It belongs to the issuer, and ends there");
    const dead = await this.client.refreshIsDead();
    tell(refresh, "token", dead, dead ? "Refresh token: refused at once" : "Refresh token: still taken");
    const last = await watching.done;
    finish.before(h("p", { class: "notice", role: "status" }, `The API refuses the old token at both of its addresses. The last one did after ${last.toFixed(1)} s.`));
  }

  /** The standard way out, RP-initiated logout: the issuer clears its cookie and sends the browser back. */
  #finish() {
    const goal = this.client.endSessionUrl();
    this.client.forget();
    location.assign(goal);
  }
}

function tell(line, kind, isVoid, text) {
  line.replaceChildren(glyph(kind, { isVoid }), h("span", {}, text));
}
