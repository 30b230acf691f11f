/** The drawer at the foot: ledger, callbacks, faults and clock; one open at a time, or none. */

import { createClock } from "./clock.js";
import { h, icon } from "./dom.js";
import { createFaults, inForce } from "./faults.js";
import { t } from "./language.js";
import { createDeliveries, createLedger } from "./ledger.js";

const TABS = { ledger: "ledger", deliveries: "callback", faults: "bolt", clock: "clock" };

/** Builds the drawer into `drawer`; answers `paint()` `read()`, which fetches new rows, and `forget()`. */
export function createDrawer(drawer) {
  const panels = {
    ledger: createLedger(),
    deliveries: createDeliveries(),
    faults: createFaults(),
    clock: createClock(),
  };
  const tabs = Object.keys(TABS).map((name) => tab(name, () => toggle(drawer, panels, name)));
  const room = h("div", { class: "drawer-room", hidden: true }, ...Object.values(panels).map((panel) => panel.element));
  drawer.append(h("div", { class: "drawer-bar", role: "group" }, ...tabs), room);
  drawer.addEventListener("keydown", (event) => event.key === "Escape" && toggle(drawer, panels, drawer.dataset.open));
  const lists = [panels.ledger, panels.deliveries];
  const read = () => lists.forEach((list) => list.read());
  const forget = () => lists.forEach((list) => list.forget());
  return { paint: () => paint(drawer, tabs, panels), read, forget };
}

function tab(name, press) {
  return h(
    "button",
    {
      type: "button",
      class: "drawer-tab",
      testid: `drawer-${name}`,
      data: { tab: name },
      "aria-expanded": "false",
      on: { click: press },
    },
    icon(TABS[name]),
    h("span", { class: "drawer-name" }),
    h("span", { class: "drawer-note" }),
  );
}

function toggle(drawer, panels, name) {
  drawer.dataset.open = drawer.dataset.open === name ? "" : name;
  Object.entries(panels).forEach(([one, panel]) => panel.open(one === drawer.dataset.open));
  drawer.querySelector(".drawer-room").hidden = !drawer.dataset.open;
  drawer
    .querySelectorAll(".drawer-tab")
    .forEach((each) => each.setAttribute("aria-expanded", String(each.dataset.tab === drawer.dataset.open)));
}

function paint(drawer, tabs, panels) {
  drawer.querySelector(".drawer-bar").setAttribute("aria-label", t("drawer"));
  tabs.forEach((each) => {
    each.querySelector(".drawer-name").textContent = t(each.dataset.tab);
    each.querySelector(".drawer-note").textContent = note(each.dataset.tab, panels);
  });
  Object.values(panels).forEach((panel) => panel.paint());
}

function note(name, panels) {
  if (name === "faults") return inForce().length ? t("faults.on", { n: inForce().length }) : "";
  return panels[name].note?.() ?? "";
}
