// How good a new password is, told while it is typed. The rules are those of accounts/policy/rules.py, which decides;
// nothing that is typed leaves the page.

const SHORTEST = 8;
const ADVISED = 15;
const MOST_BYTES = 1024;
const SHORTEST_WORD = 3;
const BETWEEN_WORDS = /[^\p{L}\p{N}]+/u;

export function addStrength(root) {
  for (const meter of root.querySelectorAll("[data-strength]")) watch(root, meter);
}

function watch(root, meter) {
  const input = root.getElementById(meter.dataset.strength);
  const others = meter.dataset.fields.split(" ").filter(Boolean).map((id) => root.getElementById(id));
  const words = meter.querySelector("[aria-live]");
  let common = new Set();
  let asked = false;

  function show() {
    const known = meter.dataset.known.split(" ").filter(Boolean);
    const about = [...meter.dataset.about.split("\n"), ...others.map((field) => field.value)];
    const context = [...known, ...contextWords(...about)];
    const level = judge(input.value, common, context);
    if (meter.dataset.level === level) return; // said once, not at each key
    meter.dataset.level = level;
    words.textContent = meter.dataset[level];
  }

  async function learn() {
    if (asked) return;
    asked = true;
    try {
      ({ common } = await import("./common.js"));
    } catch {
      return; // the server knows the list as well
    }
    if (input.value !== "") show();
  }

  input.addEventListener("focus", learn);
  for (const field of [input, ...others]) field.addEventListener("input", () => input.value === "" ? hide() : show());

  function hide() {
    delete meter.dataset.level;
    words.textContent = "";
  }

  if (root.activeElement === input) learn();
  if (input.value !== "") show();
}

export function judge(password, common, context) {
  if ([...password].length < SHORTEST) return "short";
  if (/\p{Cs}/u.test(password)) return "long"; // half a pair is no text
  if (new TextEncoder().encode(password).length > MOST_BYTES) return "long";
  const text = folded(password);
  if (common.has(text.trim()) || isRepeated(text)) return "common";
  const left = without(text, context);
  if ([...left].length < SHORTEST) return "context";
  return weight(left) < ADVISED ? "fair" : "good";
}

export function contextWords(...texts) {
  const words = new Set();
  for (const text of texts.map((one) => folded(one.slice(0, 256)))) {
    const at = text.lastIndexOf("@");
    const parts = at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1, Math.max(text.lastIndexOf("."), at + 1))];
    for (const part of parts) {
      const pieces = part.split(BETWEEN_WORDS);
      for (const word of [...pieces, pieces.join("")]) if ([...word].length >= SHORTEST_WORD) words.add(word);
    }
  }
  return [...words];
}

function folded(text) {
  return text.normalize("NFKC").toLowerCase();
}

function isRepeated(text) {
  const characters = [...text];
  return [1, 2, 3].some((size) => characters.every((one, place) => one === characters[place % size]));
}

function without(text, context) {
  const order = [...context].sort((a, b) => [...b].length - [...a].length || (a < b ? -1 : 1));
  return order.reduce((left, word) => left.replaceAll(word, ""), text);
}

// Characters, less those that only go on with a run such as "aaaa", "abcd" or "4321".
function weight(text) {
  let count = 0;
  let before = null;
  let step = null;
  for (const code of [...text].map((one) => one.codePointAt(0))) {
    const now = before === null ? null : code - before;
    if (now === null || now !== step || Math.abs(now) > 1) count += 1;
    [before, step] = [code, now];
  }
  return count;
}
