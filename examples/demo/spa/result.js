// The answers of both APIs side by side, and why they are what they are.

import { glyph, h } from "./dom.js";
import { verdict } from "./words.js";

const CALLS = { "look-up": "look-up of the session", orders: "orders from the database" };

function placeOf(api, issuer) {
  const [host, own] = [new URL(api).hostname, new URL(issuer).hostname];
  return { address: new URL(api).host, shared: host === own, host, own };
}

function why(mode, place, answer) {
  if (mode === "token") {
    return place.shared
      ? "The page put the token into the request itself. The API checked the signature and its own copy of the status list."
      : "Another site, and it makes no difference: the page puts the token wherever it sends a request.";
  }
  if (place.shared) {
    return `The cookie came along because this API shares the issuer's host, ${place.own}. Ports do not separate cookies. On a host of its own, as on the right, it would get none.`;
  }
  return `The cookie belongs to ${place.own}. ${place.host} is another site, so the browser did not send it, and the API saw a stranger.${answer.status === 200 ? " That it let you in is wrong." : ""}`;
}

function calls(answer) {
  if (answer.status === 0) return "none";
  const named = answer.calls.map((call) => CALLS[call] ?? call);
  return named.length ? `${named.length}: ${named.join(", ")}` : "0";
}

function table(body) {
  const rows = Array.isArray(body) ? body : body?.orders;
  if (!Array.isArray(rows)) return null;
  if (rows.length === 0) return h("p", { class: "muted" }, "No orders.");
  const columns = Object.keys(rows[0]).slice(0, 5);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": "Orders" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name.replaceAll("_", " "))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, columns.map((name) => h("td", {}, String(row[name] ?? "")))))),
    ),
  );
}

function fact(name, value) {
  return h("div", {}, h("dt", {}, name), h("dd", {}, value));
}

export function result(mode, api, issuer, answer) {
  const place = placeOf(api, issuer);
  const said = verdict(answer);
  return h(
    "article",
    { class: `card answer ${said.fine ? "fine" : "refused"}` },
    h(
      "header",
      {},
      glyph(mode, { isVoid: !said.fine }),
      h("div", {}, h("h3", {}, said.title), h("p", { class: "place" }, h("code", {}, place.address), place.shared ? " same host as the issuer" : " another site")),
    ),
    said.why && h("p", {}, said.why),
    h(
      "dl",
      { class: "meters" },
      fact("Carried", answer.carried === 0 ? "nothing" : `${answer.carried} bytes`),
      fact("Calls made", calls(answer)),
      fact("Time", `${Math.round(answer.took)} ms`),
    ),
    table(answer.body),
    h("p", { class: "muted why" }, why(mode, place, answer)),
  );
}

/** Where the number of calls comes from. */
export function callsExplained(mode) {
  return h(
    "p",
    { class: "muted explained" },
    mode === "session"
      ? "A plain framework needs three calls here: the session, then the user with the roles, then the orders. Admit's look-up brings session, user and roles in one."
      : "The token brings user and roles along, so only the orders are fetched. Whether it was made void the API knows from a list it keeps: no call for that either.",
  );
}
