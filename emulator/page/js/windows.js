/** What the official account may still send to a customer: one chip for each open window of the platform. */

import { fill, h } from "./dom.js";
import { t } from "./language.js";
import { now } from "./state.js";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;

/** Makes the strip; `paint(customer)` shows the windows of a customer as they stand this second. */
export function createWindows() {
  const element = h("p", { class: "windows", testid: "customer-windows" });
  return { element, paint: (customer) => paint(element, customer) };
}

function paint(element, customer) {
  const open = (customer?.windows ?? []).filter((window) => window.until > now() && window.left > 0);
  element.hidden = !customer?.following;
  element.classList.toggle("windows-shut", !open.length);
  element.setAttribute("aria-label", t("windows"));
  element.title = t("windows");
  if (customer?.typing) fill(element, h("span", { class: "chip chip-typing", text: t("window.typing") }));
  else if (open.length) fill(element, open.map(chip));
  else fill(element, h("span", { class: "chip", text: t("window.shut") }));
}

function chip({ trigger, left, until }) {
  const words = t("window.left", { trigger: t(`window.${trigger}`), n: left, time: remaining(until - now()) });
  return h("span", { class: "chip", text: words });
}

function remaining(ms) {
  if (ms >= HOUR_MS) return t("window.hours", { n: Math.floor(ms / HOUR_MS) });
  if (ms >= MINUTE_MS) return t("window.minutes", { n: Math.floor(ms / MINUTE_MS) });
  return t("window.seconds", { n: Math.ceil(ms / 1000) });
}
