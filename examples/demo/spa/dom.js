// Elements without markup in strings: text stays text, wherever it comes from.

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";
const NAMES = { session: "session", token: "token" };

/** The numbered tag (session) or the ticket (token); a void one is struck through. */
export function glyph(kind, { isVoid = false } = {}) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", isVoid ? "glyph void" : "glyph");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", isVoid ? `${NAMES[kind]}, void` : NAMES[kind]);
  svg.setAttribute("viewBox", "0 0 32 32");
  for (const part of isVoid ? [kind, "strike"] : [kind]) {
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `#${part}`);
    svg.append(use);
  }
  return svg;
}
