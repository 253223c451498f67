// After the log-out: the old access token is tried each second against both APIs until both refuse it.

import { ask } from "./carry.js";
import { glyph, h } from "./dom.js";

const PROMISED = 30;

class Lane {
  constructor(api) {
    this.api = api;
    this.refusedAfter = null;
    this.status = null;
    this.dots = h("div", { class: "dots", "aria-hidden": "true" });
    this.words = h("p", { class: "lane-words", role: "status" }, "asking");
    this.sign = h("div", { class: "lane-sign" }, glyph("token"));
    this.element = h("div", { class: "lane" }, this.sign, h("div", { class: "lane-body" }, h("code", {}, new URL(api).host), this.words, this.dots));
  }

  take(answer, seconds) {
    this.status = answer.status;
    const refused = answer.status === 401;
    this.dots.append(h("span", { class: refused ? "dot refused" : answer.status === 200 ? "dot fine" : "dot odd" }));
    if (refused && this.refusedAfter === null) {
      this.refusedAfter = seconds;
      this.sign.replaceChildren(glyph("token", { isVoid: true }));
      this.words.textContent = `refused ${seconds.toFixed(1)} s after the log-out`;
      this.words.className = "lane-words refused";
    } else if (!refused) {
      this.words.textContent = answer.status === 200 ? "still lets the old token in" : `status ${answer.status}`;
    }
  }
}

/** Starts at once; `since` is when the issuer acknowledged the end (performance.now()). */
export function watch(apis, token, since, sessionBytes) {
  const lanes = apis.map((api) => new Lane(api));
  const count = h("p", { class: "count" }, h("strong", {}, "0"), " s");
  const bar = h("progress", { max: String(PROMISED), value: "0", "aria-label": `Seconds since the log-out, of ${PROMISED} promised` });
  const element = h(
    "section",
    { class: "card watch", "aria-labelledby": "watch" },
    h("h2", { id: "watch" }, "The old token, tried each second"),
    h("p", { class: "muted" }, `Promised: refused by every API within ${PROMISED} seconds. Usually it takes a few. No API asks the issuer about a request; each keeps a list of what is void and renews it.`),
    h("div", { class: "clock" }, count, bar),
    lanes.map((lane) => lane.element),
  );
  const gone = () => (performance.now() - since) / 1000;

  async function round() {
    await Promise.all(
      lanes
        .filter((lane) => lane.refusedAfter === null)
        .map(async (lane) => lane.take(await ask(`${lane.api}/api/orders/mine`, token, sessionBytes), gone())),
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
