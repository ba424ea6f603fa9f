// Elements. Text stays text: nothing in this page parses HTML, so no file name and no metadata can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. Properties that begin with `on` are listeners, the others attributes; null and false are left out. */
export function el(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** An SVG element, likewise. */
export function svg(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

function fill(node, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A button. */
export function button(text, onclick, properties) {
  return el("button", { type: "button", onclick, ...properties }, text);
}

/** A list of terms: rows of `[term, value]`; a row whose value is null is left out. */
export function terms(rows) {
  const shown = rows.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", {}, shown.map(([term, value]) => el("div", {}, el("dt", {}, term), el("dd", {}, value))));
}

/** Say something to screen readers only. */
export function announce(text) {
  document.getElementById("live").textContent = text;
}

let ids = 0;
/** A name that no other element of the page has. */
export function freshId(stem) {
  ids += 1;
  return `${stem}-${ids}`;
}

/** Hand a document to the user as a file. */
export function save(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: address, download: name });
  link.click();
  // The browser reads the address after this task.
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
