/** The official account's menu bar under the phone: up to three buttons, each a tap or a list of up to five. */

import { button, h } from "./dom.js";
import { refill } from "./keyed.js";
import { isWeb } from "./text.js";

/**
 * Makes the bar. `paint(buttons, onKey)` draws the platform's own menu structure; `onKey(key)` taps a button, by its
 * key or, for a link, its address.
 */
export function createMenuBar() {
  const bar = h("div", { class: "menu-bar", testid: "customer-menu", hidden: true });
  const close = () =>
    bar.querySelectorAll(".menu-list").forEach((list) => {
      list.hidden = true;
    });
  document.addEventListener("click", (event) => bar.contains(event.target) || close());
  document.addEventListener("keydown", (event) => event.key === "Escape" && close());
  const paint = (buttons, onKey) =>
    refill(bar, JSON.stringify(buttons), () => buttons.map((entry) => slot(entry, onKey, close)));
  return { element: bar, paint };
}

function slot(entry, onKey, close) {
  const children = entry.sub_button ?? [];
  if (!children.length) return h("div", { class: "menu-slot" }, leaf(entry, onKey, close));
  const list = h("div", { class: "menu-list", hidden: true }, ...children.map((child) => leaf(child, onKey, close)));
  const open = () => {
    const wasHidden = list.hidden;
    close();
    list.hidden = !wasHidden;
  };
  return h(
    "div",
    { class: "menu-slot" },
    list,
    button({ icon: "menu", text: entry.name, press: open, class: "menu-button" }),
  );
}

function leaf(entry, onKey, close) {
  const press = () => {
    close();
    if (isWeb(entry.url)) window.open(entry.url, "_blank", "noopener,noreferrer");
    onKey(entry.key ?? entry.url);
  };
  return button({
    text: entry.name,
    press,
    class: "menu-button",
    testid: "menu-item",
    "data-menu": entry.key ?? entry.url,
  });
}
