// What a token says, and what a session says, in words.

import { glyph, h } from "./dom.js";
import { peek } from "./client.js";

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const listed = (values) => (values.length ? values.join(", ") : "none");
const code = (text) => h("code", {}, String(text));

function lines(claims) {
  const scopes = (claims.scope ?? "").split(" ").filter(Boolean);
  const status = claims.status?.status_list;
  return [
    ["Who made it", [code(claims.iss), ", and signed it. Anyone can check that with the issuer's public key."]],
    ["Whom it speaks for", ["the user ", code(claims.sub), ", through the app ", code(claims.client_id ?? "?")]],
    ["Which API it is for", [code([claims.aud].flat().join(", ")), ". Another API refuses it."]],
    ["What it may do", [listed(scopes)]],
    ["Roles", [listed(claims.roles ?? [])]],
    ["When the password was typed", [claims.auth_time ? clock(claims.auth_time) : "not said"]],
    ["Good until", [`${clock(claims.exp)}, ${Math.round((claims.exp - claims.iat) / 60)} minutes after it was made`]],
    status
      ? ["How it is made void early", ["place ", code(status.idx), " in the list ", code(status.uri), ": one bit that every API keeps a copy of"]]
      : ["How it is made void early", ["not at all: it names no status list"]],
  ];
}

const facts = (rows) => h("dl", { class: "facts" }, rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));

export function tokenInWords(token, rotations) {
  const claims = peek(token);
  return h(
    "section",
    { class: "card", "aria-labelledby": "words" },
    h("h2", { id: "words" }, glyph("token"), "What the ticket says"),
    h("p", { class: "muted" }, "A token carries its own proof. The API reads it and asks nobody."),
    facts(lines(claims)),
    h("details", {}, h("summary", {}, "As it is sent"), h("pre", {}, JSON.stringify(claims, null, 2)), h("p", { class: "raw" }, token)),
    h("p", { class: "muted" }, `Both tokens live in this page's memory. Each refresh token works once; rotated so far: ${rotations}.`),
  );
}

export function sessionInWords(issuer, size) {
  return h(
    "section",
    { class: "card", "aria-labelledby": "words" },
    h("h2", { id: "words" }, glyph("session"), "What the tag says"),
    h("p", { class: "muted" }, "A session says nothing. It is a number that somebody has to look up."),
    facts([
      ["Who made it", [code(issuer), ", at the sign-in. It keeps the record, and of the number only a hash."]],
      ["What it is", ["256 random bits in a cookie that this page cannot read (HttpOnly)"]],
      ["Where it goes", ["to every port of ", code(new URL(issuer).hostname), ", and to no other host. The browser decides, not this page."]],
      ["Weight", [`${size} bytes a request, beside whatever other cookies this host has`]],
      ["How it is made void", ["the record is marked ended. The next look-up sees it."]],
    ]),
  );
}

/** What an answer of the API means. */
export function verdict(answer) {
  if (answer.status === 200) return { fine: true, title: "Let in", why: "" };
  if (answer.status === 0) return { fine: false, title: "No answer", why: "The API does not run, or the browser kept its answer from this page." };
  if (answer.status === 403) return { fine: false, title: "Not allowed", why: "It knows who you are. All orders need the scope orders:read and the role admin." };
  if (answer.status === 503) return { fine: false, title: "Cannot tell", why: "The API has heard nothing from the issuer for too long, so it lets nobody in rather than a revoked token." };
  if (answer.status === 401 && /error="invalid_token"/.test(answer.challenge)) return { fine: false, title: "Refused", why: "The token is over, or was made void." };
  if (answer.status === 401) return { fine: false, title: "Refused", why: "No credential arrived that the API could use." };
  return { fine: false, title: `Status ${answer.status}`, why: "" };
}
