// The page of somebody who is not signed in.

import { ask } from "./carry.js";
import { glyph, h } from "./dom.js";

const REFUSALS = {
  login_required: "You are signed out at the issuer, so there is nothing to come back to. Sign in again.",
  access_denied: "You were not let in: the issuer says that the answer was no.",
  temporarily_unavailable: "The issuer cannot answer at the moment. Try again shortly.",
  state: "That answer belongs to no sign-in of this page. Start again.",
  iss: "That answer came from another issuer. Start again.",
};

export function landing(client, { message = "", extra = null } = {}) {
  return h(
    "div",
    { class: "landing" },
    message && h("p", { class: "notice", role: "status" }, message),
    extra,
    h("h1", {}, "One login, two ways to carry it"),
    h("p", { class: "lead" }, "Sign in once. Then let a session or a token tell the orders API who you are, and see what each of them costs."),
    h(
      "div",
      { class: "row start" },
      h("button", { class: "button primary", type: "button", onclick: () => client.begin() }, "Sign in"),
      client.offersSignUp && h("button", { class: "button quiet", type: "button", onclick: () => client.begin({ signUp: true }) }, "Make an account"),
    ),
    h("p", { class: "muted" }, "You go to the issuer's own page and come back. New here? You can make an account there."),
    h(
      "div",
      { class: "pair" },
      kind("session", "Session", "A numbered tag. It says nothing by itself; the server keeps the record and looks it up each time. Ended is ended, at once."),
      kind("token", "Token", "A ticket. It carries its own proof, so an API checks it on sight, on any site, and asks nobody. Ended is noticed within seconds."),
    ),
  );
}

function kind(name, title, text) {
  return h("section", { class: "card kind" }, glyph(name), h("h2", {}, title), h("p", {}, text));
}

export const refusal = (error) => REFUSALS[error] ?? "The sign-in did not work. Start again.";

/** Back from the issuer's log-out: no cookie of this browser opens the API any more. */
export async function afterLogout(config, sessionBytes) {
  const answer = await ask(`${config.apis[0]}/api/orders/mine`, null, sessionBytes);
  const dead = answer.status === 401;
  return h(
    "p",
    { class: "verdict" },
    glyph("session", { isVoid: dead }),
    dead ? "Session: over. The API was just asked once more, and refused." : `Session: the API was just asked, and answered ${answer.status}.`,
  );
}
