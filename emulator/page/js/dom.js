/** Builds DOM nodes without markup strings: what a visitor types can never become an element. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * One element. `props`: `class`, `text`, `testid`, `data` (dataset), `on` (listeners); anything else is an attribute.
 * Values null, undefined and false leave the attribute out; children null or false are skipped.
 */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    setProp(element, name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function setProp(element, name, value) {
  if (name === "class") element.className = value;
  else if (name === "text") element.textContent = value;
  else if (name === "testid") element.dataset.testid = value;
  else if (name === "data") Object.assign(element.dataset, value);
  else if (name === "on") Object.entries(value).forEach(([event, run]) => element.addEventListener(event, run));
  else element.setAttribute(name, value === true ? "" : value);
}

/** An icon of icons/sprite.svg; it takes the colour of the text around it. */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `icons/sprite.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A button with an icon, a label, or both; `label` is read aloud when there is no text. */
export function button({ icon: iconName, text, label, press, ...props }, ...children) {
  const named = label && !text ? { "aria-label": label, title: label } : { title: label };
  const parts = [iconName && icon(iconName), text && h("span", { text })];
  return h("button", { type: "button", ...named, on: { click: press }, ...props }, ...parts, ...children);
}

/** A face with the first letter of the name (or the number at its end); the tone is always the same for one name. */
export function avatar(name, { src, kind = "" } = {}) {
  const face = h("span", {
    class: `avatar tone-${toneOf(name || "?")} ${kind}`,
    text: initialOf(name || "?"),
    "aria-hidden": "true",
  });
  if (src) face.append(picture(src, "", "avatar-picture"));
  return face;
}

function initialOf(name) {
  const number = name.match(/(?<!\d)\d{1,2}$/);
  return number ? number[0] : ([...name.trim()][0]?.toUpperCase() ?? "?");
}

function toneOf(name) {
  const sum = [...name].reduce((total, letter) => (total * 31 + letter.codePointAt(0)) % 9973, 7);
  return sum % 8;
}

/** An image that gives way to nothing when it cannot be loaded. */
export function picture(src, alt, className) {
  const image = h("img", { class: className, src, alt, loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.classList.add("broken"), { once: true });
  return image;
}

/** Shows `nodes` in place of what `element` held. */
export function fill(element, ...nodes) {
  element.replaceChildren(...nodes.flat().filter(Boolean));
  return element;
}
