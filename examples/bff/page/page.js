// The page knows no token: its cookie speaks for it, and what it changes it proves by X-CSRF-Token.
const show = (id, shown) => { document.getElementById(id).hidden = !shown; };
let csrf = "";

async function call(path, method = "GET") {
  const headers = method === "GET" ? {} : { "X-CSRF-Token": csrf };
  const answer = await fetch(path, { method, headers: { accept: "application/json", ...headers } });
  if (answer.status === 401) await look();
  return answer;
}

async function look() {
  const told = await (await fetch("/bff/session")).json();
  csrf = told.csrf_token ?? "";
  document.getElementById("who").textContent = told.signed_in
    ? `Signed in as ${told.claims.name ?? told.subject}`
    : "Nobody is signed in.";
  show("in", told.signed_in);
  show("out", !told.signed_in);
  return told.signed_in;
}

async function list() {
  const answer = await call("/bff/api/orders/mine");
  if (!answer.ok) return;
  const found = await answer.json();
  const lines = (Array.isArray(found) ? found : found.orders ?? []).map((order) => {
    const line = document.createElement("li");
    line.textContent = typeof order === "string" ? order : Object.values(order).join(" · ");
    return line;
  });
  document.getElementById("orders").replaceChildren(...lines);
}

document.getElementById("order").addEventListener("click", async () => {
  await call("/bff/api/orders/mine", "POST");
  await list();
});
document.getElementById("leave").addEventListener("click", async () => {
  const answer = await call("/bff/logout", "POST");
  if (answer.ok) location.assign((await answer.json()).location);
});
if (await look()) await list();
