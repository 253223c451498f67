// An application that is nothing but a page: it signs people in, calls an API and signs out. `client.js` does the work.

import { Client, challenge } from "./client.js";

const config = await (await fetch("/config.json")).json();
const at = (id) => document.getElementById(id);
const tell = (text) => (at("told").textContent = text);
// Cancelling may need another sign-in, from which the page comes back afresh: what was to be cancelled outlives it.
const MEANT = "orders.meant";

const REFUSALS = {
  access_denied: "You said no. Sign in again if you meant yes.",
  unmet_authentication_requirements: "Nothing was cancelled. That wants a second step at sign-in.",
  login_required: "You were signed out meanwhile.",
  state: "That answer belongs to another sign-in. Try again.",
  iss: "That answer is another issuer's. Try again.",
};

let client;

async function call(method, path = "") {
  const token = await client.accessToken();
  return fetch(`${config.api}/api/orders/mine${path}`, { method, headers: { Authorization: `Bearer ${token}` } });
}

async function list() {
  const reply = await call("GET");
  if (reply.status === 401) return leave("You were signed out at the issuer.");
  if (!reply.ok) return tell(`The API answers ${reply.status}.`);
  at("orders").replaceChildren(...(await reply.json()).map(line));
}

function line(order) {
  const row = document.createElement("li");
  const cancelling = document.createElement("button");
  cancelling.textContent = "Cancel";
  cancelling.setAttribute("aria-label", `Cancel order ${order.id}, ${order.item}`);
  cancelling.addEventListener("click", () => cancel(order.id));
  row.append(`${order.item}, order ${order.id} `, cancelling);
  return row;
}

async function cancel(number, { steppedUp = false } = {}) {
  const reply = await call("DELETE", `/${number}`);
  const wanted = challenge(reply);
  if (wanted !== null && !steppedUp) {
    tell("Cancelling wants a stronger sign-in. One moment.");
    sessionStorage.setItem(MEANT, JSON.stringify(number));
    return client.begin({ wanted }); // RFC 9470: the API says which sign-in, the issuer asks for it
  }
  tell(reply.ok ? `Order ${number} is cancelled.` : `Order ${number} is not cancelled: the API answers ${reply.status}.`);
  return list();
}

async function order() {
  const reply = await call("POST");
  tell(reply.ok ? "Ordered." : `Not ordered: the API answers ${reply.status}.`);
  return list();
}

function leave(why) {
  client.forget();
  show(false);
  tell(why);
}

function show(signedIn) {
  at("in").hidden = !signedIn;
  at("out").hidden = signedIn;
  at("person").textContent = signedIn ? (client.claims.name ?? client.claims.sub) : "";
}

async function start() {
  client = await Client.discover(config);
  at("sign-in").addEventListener("click", () => client.begin());
  at("order").addEventListener("click", order);
  at("sign-out").addEventListener("click", () => {
    const away = client.endSessionUrl();
    client.forget();
    location.assign(away); // RP-initiated: the session at the issuer ends, and with it all that it let in
  });

  const arrival = await client.arrive();
  const meant = JSON.parse(sessionStorage.getItem(MEANT) ?? "null");
  sessionStorage.removeItem(MEANT);
  if (arrival.outcome === "signed_in") {
    show(true);
    tell(arrival.silent ? "Signed in, as you were." : "Signed in.");
    await list();
    if (meant !== null) await cancel(meant, { steppedUp: true });
  } else if (arrival.outcome === "refused") {
    leave(REFUSALS[arrival.error] ?? `Not signed in: ${arrival.error}.`);
  } else if (new URLSearchParams(location.search).get("state") === "signed-out") {
    history.replaceState(null, "", location.pathname);
    leave("You are signed out.");
  } else if (client.wasSignedIn) {
    // Tokens are in memory, so a reload has none. The whole page asks, not a frame: browsers keep cookies from frames.
    tell("Asking the issuer whether you are still signed in.");
    await client.begin({ silent: true });
  } else {
    leave("");
  }
}

start().catch((error) => {
  show(false);
  tell(`That did not work: ${error.message}`);
});
