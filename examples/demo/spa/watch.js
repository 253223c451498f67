// After the log-out: the old access token is tried each second at both addresses of the API until both refuse it.

import { ask } from "./carry.js";
import { glyph, h } from "./dom.js";

const PROMISED = 30;
const MOST_DOTS = 60;
const verdicts = { 0: "does not answer", 200: "lets the token in", 503: "cannot tell, so lets nobody in" };

class Lane {
  constructor(api, before) {
    this.api = api;
    this.before = before?.status === 200 ? "let in just before the log-out, " : "";
    this.refusedAfter = null;
    this.dots = h("div", { class: "dots", "aria-hidden": "true" });
    if (this.before) this.dots.append(h("span", { class: "dot fine" }));
    this.words = h("p", { class: "lane-words", role: "status" }, `${this.before}asking`);
    this.sign = h("div", { class: "lane-sign" }, glyph("token"));
    this.element = h("div", { class: "lane" }, this.sign, h("div", { class: "lane-body" }, h("code", {}, new URL(api).host), this.words, this.dots));
  }

  take(answer, seconds, after) {
    const refused = answer.status === 401;
    if (this.dots.childElementCount >= MOST_DOTS) this.dots.firstChild.remove();
    this.dots.append(h("span", { class: refused ? "dot refused" : answer.status === 200 ? "dot fine" : "dot odd" }));
    if (refused && this.refusedAfter === null) {
      this.refusedAfter = seconds;
      this.sign.replaceChildren(glyph("token", { isVoid: true }));
      this.words.textContent = `${this.before}refused ${seconds.toFixed(1)} s after ${after}`;
      this.words.className = "lane-words refused";
    } else if (!refused) {
      this.words.textContent = verdicts[answer.status] ?? `answers ${answer.status}`;
    }
  }
}

/** Tries at once and then each second. With `loggedOut` the clock runs against what is promised; without, somebody
 * else is about to end the token, and the page cannot know when. `before` is what each API said of it just before. */
export function watch(apis, token, sessionBytes, { loggedOut, before = [] }) {
  const since = performance.now();
  const lanes = apis.map((api, at) => new Lane(api, before[at]));
  const count = h("p", { class: "count" }, h("strong", {}, "0"), " s");
  const bar = h("progress", { max: String(PROMISED), value: "0", "aria-label": `Seconds since the log-out, of ${PROMISED} promised` });
  const clock = loggedOut && h("div", { class: "clock" }, count, bar);
  const element = h(
    "section",
    { class: "card watch", "aria-labelledby": "watch" },
    h("h2", { id: "watch" }, loggedOut ? "The old token, tried each second" : "The token, tried each second"),
    h("p", { class: "muted" }, `Promised: refused at every address of the API within ${PROMISED} seconds. Usually it takes a few. The API does not ask the issuer about a request: it keeps a list of what is void, and renews it.`),
    clock,
    lanes.map((lane) => lane.element),
  );
  const gone = () => (performance.now() - since) / 1000;

  async function round() {
    await Promise.all(
      lanes
        .filter((lane) => lane.refusedAfter === null)
        .map(async (lane) => lane.take(await ask(`${lane.api}/api/orders/mine`, token, sessionBytes), gone(), loggedOut ? "the log-out" : "you began to watch")),
    );
    return lanes.every((lane) => lane.refusedAfter !== null);
  }

  const ticking = setInterval(() => {
    count.firstChild.textContent = String(Math.floor(gone()));
    bar.value = Math.min(PROMISED, gone());
  }, 100);
  const done = (async () => {
    while (!(await round())) await new Promise((resume) => setTimeout(resume, 1000));
    clearInterval(ticking);
    const last = Math.max(...lanes.map((lane) => lane.refusedAfter));
    count.firstChild.textContent = last.toFixed(1);
    bar.value = Math.min(PROMISED, last);
    return last;
  })();
  return { element, done };
}
