/** A talk on the screen: times, bubbles under the speaker's name, notices; stays at its end while one reads there. */

import { avatar, button, h, icon } from "./dom.js";
import { sync } from "./keyed.js";
import { locale, shortTime, t } from "./language.js";
import { body, isPlain } from "./messages.js";

const PAUSE_MS = 5 * 60_000; // a longer silence gets a line with the time, as in WeChat
const SHOWN = 300; // older messages stay on the server
const NEAR_END_PX = 60;

/** Makes an empty talk. `show(key, messages, scene)` draws it; scene: `{me, them, empty, now, onOption, onButton}`. */
export function createThread(testid) {
  const list = h("ol", { class: "thread-list" });
  const empty = h("p", { class: "thread-empty" });
  const scroller = h("div", { class: "thread", role: "log", tabindex: "0", testid }, empty, list);
  const newest = button({ icon: "down", class: "newest", press: () => toEnd(scroller), hidden: true });
  const element = h("div", { class: "thread-frame" }, scroller, newest);
  const place = { key: null, last: 0, atEnd: true };
  keepAtEnd(scroller, list, newest, place);
  const show = (key, messages, scene) => draw({ list, empty, scroller, newest, place }, key, messages, scene);
  return { element, show };
}

function keepAtEnd(scroller, list, newest, place) {
  scroller.addEventListener("scroll", () => {
    place.atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < NEAR_END_PX;
    if (place.atEnd) newest.hidden = true;
  });
  const watcher = new ResizeObserver(() => place.atEnd && toEnd(scroller));
  watcher.observe(list);
  watcher.observe(scroller);
}

function toEnd(scroller) {
  scroller.scrollTop = scroller.scrollHeight;
}

function draw({ list, empty, scroller, newest, place }, key, messages, scene) {
  const recent = messages.slice(-SHOWN);
  const last = recent.at(-1);
  const follow = place.key !== key || place.atEnd || (last?.id > place.last && last.from === "me");
  const arrived = place.key === key && last?.id > place.last;
  const isNew = (message) => place.key === key && message.id > place.last;
  const stamped = `${locale()}|${key}|${scene.me}|${scene.them.name}`;
  sync(list, rows(recent), {
    key: (row) => row.key,
    stamp: (row) => `${stamped}|${JSON.stringify(row.message ?? shortTime(row.at, scene.now))}`,
    draw: (row) => (row.message ? bubble(row.message, scene, isNew(row.message)) : timeLine(row.at, scene.now)),
  });
  empty.hidden = recent.length > 0;
  empty.textContent = scene.empty;
  scroller.setAttribute("aria-label", t("thread.of", { name: scene.me }));
  newest.setAttribute("aria-label", t("newest"));
  place.key = key;
  place.last = last?.id ?? 0;
  if (follow) toEnd(scroller);
  newest.hidden = follow || !(arrived || !newest.hidden);
}

function rows(messages) {
  let before = -Infinity;
  return messages.flatMap((message) => {
    const pause = message.at - before > PAUSE_MS;
    before = message.at;
    const row = { key: `m${message.id}`, message };
    return pause ? [{ key: `t${message.id}`, at: message.at }, row] : [row];
  });
}

function timeLine(at, now) {
  return h("li", { class: "time-line" }, h("time", { datetime: new Date(at).toISOString(), text: shortTime(at, now) }));
}

function bubble(message, scene, isNew) {
  const data = { from: message.from, type: message.type, id: message.id };
  if (message.from === "system")
    return h("li", { class: "notice-line", testid: "bubble", data }, h("span", { text: message.text }));
  const mine = message.from === "me";
  const name = mine ? scene.me : (message.persona?.name ?? scene.them.name);
  const line = `line ${mine ? "line-mine" : "line-theirs"}${isNew ? " line-new" : ""}`;
  const shape = isPlain(message) ? "bubble" : "bubble bubble-bare";
  return h(
    "li",
    { class: line, testid: "bubble", data },
    avatar(name, {
      src: mine ? null : message.persona?.avatar_url,
      kind: mine || message.persona ? "" : scene.them.face,
    }),
    h(
      "div",
      { class: "line-body" },
      mine ? null : h("span", { class: "persona", testid: "persona", text: name }),
      h(
        "div",
        { class: "bubble-row" },
        h("div", { class: shape }, body(message, scene)),
        message.state === "failed" ? failed() : null,
      ),
    ),
  );
}

function failed() {
  return h(
    "span",
    { class: "failed", role: "img", "aria-label": t("message.failed"), title: t("message.failed") },
    icon("alert"),
  );
}
