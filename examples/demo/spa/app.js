// The demo's single-page app: finds out where it stands, then shows the desk or the landing page.

import { cookieBytes } from "./carry.js";
import { Client } from "./client.js";
import { Desk } from "./desk.js";
import { h } from "./dom.js";
import { afterLogout, landing, refusal } from "./landing.js";

const main = document.getElementById("main");

async function start() {
  const config = await (await fetch("/config.json")).json();
  if (new URL(config.redirect_uri).origin !== location.origin) {
    location.replace(config.redirect_uri); // one origin is registered; localhost and 127.0.0.1 are different sites
    return;
  }
  config.apis = [config.api, config.other_site]; // one process, two addresses
  const client = await Client.discover(config);
  const sessionBytes = { issuer: config.issuer, size: await cookieBytes(config.issuer) };
  const arrival = await client.arrive();

  if (arrival.outcome === "signed_in") {
    showPerson(client);
    main.replaceChildren(new Desk(client, config, sessionBytes, arrival).element);
  } else if (arrival.outcome === "refused") {
    main.replaceChildren(landing(client, { message: refusal(arrival.error) }));
  } else if (new URLSearchParams(location.search).get("state") === "signed-out") {
    history.replaceState(null, "", location.pathname);
    main.replaceChildren(landing(client, { message: "You are signed out.", extra: await afterLogout(config, sessionBytes) }));
  } else if (client.wasSignedIn) {
    main.replaceChildren(h("p", { class: "muted" }, "Asking the issuer whether you are still signed in."));
    await client.begin({ silent: true });
  } else {
    main.replaceChildren(landing(client));
  }
}

function showPerson(client) {
  const { name, email, sub } = client.claims;
  document.getElementById("person").replaceChildren(
    h("span", { class: "person-name" }, name ?? email ?? sub),
    h("a", { href: `${client.issuer}/account` }, "Your account"),
  );
}

start().catch((error) => {
  main.replaceChildren(
    h("p", { class: "alert", role: "alert" }, "The issuer does not answer, so nobody can sign in. Is the demo still running?"),
    h("p", { class: "muted" }, error.message),
    h("button", { class: "button quiet", type: "button", onclick: () => location.assign("/") }, "Try again"),
  );
});
