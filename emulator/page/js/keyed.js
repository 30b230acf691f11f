/** Keeps what is on the screen in step with data, touching only what changed: focus and scrolling stay. */

import { fill } from "./dom.js";

const drawn = new WeakMap();
const filled = new WeakMap();

/**
 * Makes the children of `parent` those of `items`, in order. `key` tells items apart; an item is drawn anew only when
 * its `stamp` differs from the one it was drawn with.
 */
export function sync(parent, items, { key, stamp, draw }) {
  const old = new Map([...parent.children].map((child) => [drawn.get(child)?.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const before = old.get(key(item));
    const element = isCurrent(before, stamp(item)) ? before : drawAnew(item, key(item), stamp(item), draw);
    if (before && before !== element) {
      if (place === before) place = element;
      swap(before, element);
    }
    old.delete(key(item));
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  old.forEach((child) => child.remove());
}

function isCurrent(element, stamp) {
  return element !== undefined && drawn.get(element).stamp === stamp;
}

function drawAnew(item, key, stamp, draw) {
  const element = draw(item);
  drawn.set(element, { key, stamp });
  return element;
}

function swap(before, element) {
  keepFocus(before, () => {
    before.replaceWith(element);
    return element;
  });
}

/** Fills `parent` with the nodes of `build()`, only when `stamp` differs from the one it was filled with. */
export function refill(parent, stamp, build) {
  if (filled.get(parent) === stamp) return;
  filled.set(parent, stamp);
  keepFocus(parent, () => fill(parent, ...build()));
}

function keepFocus(before, change) {
  const focused = before.contains(document.activeElement);
  const after = change();
  if (focused) (after.matches("button") ? after : after.querySelector("button, a, summary"))?.focus();
}
