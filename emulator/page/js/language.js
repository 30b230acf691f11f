/** Which language the page speaks (zh-CN first, English beside it) and the texts of the current one. */

import { recall, remember } from "./memory.js";
import { WORDS } from "./words.js";

const TAGS = { zh: "zh-CN", en: "en" };
const listeners = [];
let current = recall("language", "zh") in WORDS ? recall("language", "zh") : "zh";

/** The text of `key` with `{name}` places filled from `values`; an unknown key shows itself. */
export function t(key, values = {}) {
  const text = WORDS[current][key] ?? WORDS.zh[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

/** Whether the dictionary has a text for `key`. */
export function has(key) {
  return key in WORDS.zh;
}

/** The language tag for dates and numbers. */
export function locale() {
  return TAGS[current];
}

/** Goes over to the other language, remembers it, and tells everyone who draws texts. */
export function switchLanguage() {
  current = current === "zh" ? "en" : "zh";
  remember("language", current);
  listeners.forEach((redraw) => redraw());
}

/** Calls `redraw` after each change of language. */
export function onLanguage(redraw) {
  listeners.push(redraw);
}

/** Fills the texts that stand in the page itself (`data-t`, `data-t-label`). */
export function paintPage() {
  document.documentElement.lang = locale();
  document.title = t("title");
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const element of document.querySelectorAll("[data-t-label]"))
    element.setAttribute("aria-label", t(element.dataset.tLabel));
}

const DAY_MS = 86_400_000;

/** "14:05", or with the date when `at` (ms) is not on the day of `now` (ms). */
export function shortTime(at, now) {
  const moment = new Date(at);
  const clock = moment.toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  if (moment.toDateString() === new Date(now).toDateString()) return clock;
  if (moment.toDateString() === new Date(now - DAY_MS).toDateString()) return `${t("yesterday")} ${clock}`;
  return `${moment.toLocaleDateString(locale(), { month: "short", day: "numeric" })} ${clock}`;
}

/** "14:05:09". */
export function exactTime(at) {
  return new Date(at).toLocaleTimeString(locale(), { hourCycle: "h23" });
}

/** Date and time in full, for the clock. */
export function fullTime(at) {
  const options = { month: "long", day: "numeric", weekday: "short" };
  return { date: new Date(at).toLocaleDateString(locale(), options), time: exactTime(at) };
}
