// The answers of both APIs side by side, and why they are what they are.

import { glyph, h } from "./dom.js";
import { verdict } from "./words.js";

const MOST_ROWS = 5;
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
    return `The cookie came along because this API shares the issuer's host, ${place.own}. Ports do not separate cookies. On a host of its own it would get none, like the other one here.`;
  }
  return `The cookie belongs to ${place.own}. ${place.host} is another site, so the browser did not send it, and the API saw a stranger.${answer.status === 200 ? " That it let you in is wrong." : ""}`;
}

const named = (answer) => answer.calls.map((call) => CALLS[call] ?? call).join(", ");

function table(body, address) {
  const rows = Array.isArray(body) ? body : body?.orders;
  if (!Array.isArray(rows)) return null;
  if (rows.length === 0) return h("p", { class: "muted" }, "No orders.");
  const columns = Object.keys(rows[0]).slice(0, 5);
  const shown = rows.slice(0, MOST_ROWS);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": `Orders from ${address}` },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, columns.map((name) => h("th", { scope: "col" }, name.replaceAll("_", " "))))),
      h("tbody", {}, shown.map((row) => h("tr", {}, columns.map((name) => h("td", {}, String(row[name] ?? "")))))),
    ),
    rows.length > shown.length && h("p", { class: "muted" }, `and ${rows.length - shown.length} more`),
  );
}

function fact(name, value, more = "") {
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("strong", {}, value), more && h("span", { class: "more" }, more)));
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
      fact("Calls made", String(answer.calls.length), named(answer)),
      fact("Time", `${Math.round(answer.took)} ms`),
    ),
    table(answer.body, place.address),
    h("p", { class: "muted why" }, why(mode, place, answer)),
  );
}

const SVG = "http://www.w3.org/2000/svg";

function bar(share, mode) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `bar ${mode}`);
  svg.setAttribute("aria-hidden", "true");
  const rect = document.createElementNS(SVG, "rect");
  rect.setAttribute("width", `${Math.max(share * 100, 0.5)}%`);
  rect.setAttribute("height", "100%");
  rect.setAttribute("rx", "3");
  svg.append(rect);
  return svg;
}

const MEASURES = [
  ["Bytes carried", (answer) => answer.carried],
  ["Calls made", (answer) => answer.calls.length],
];

/** The last answer that let in, by session and by token; null until there is one of each. */
export function sideBySide(last) {
  if (!last.session || !last.token) return null;
  return h(
    "section",
    { class: "card beside", "aria-labelledby": "beside" },
    h("h2", { id: "beside" }, "Side by side"),
    MEASURES.map(([name, value]) => {
      const most = Math.max(value(last.session), value(last.token), 1);
      return h(
        "div",
        { class: "measure" },
        h("h3", {}, name),
        ["session", "token"].map((mode) =>
          h("div", { class: "bar-row" }, glyph(mode), h("span", { class: "bar-value" }, `${value(last[mode])}`), bar(value(last[mode]) / most, mode)),
        ),
      );
    }),
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
