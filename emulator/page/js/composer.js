/** Where one writes: a growing text field, Enter to send, and a tray of other things to send behind "+". */

import { button, h, icon } from "./dom.js";
import { refill } from "./keyed.js";
import { locale, t } from "./language.js";
import { toast } from "./toast.js";

const TALLEST_PX = 110;

/**
 * Makes a composer. `side` ("customer" | "member") prefixes the testids; `onText(text)` sends and resolves once taken,
 * its rejection puts the text back; `tools()` lists the tray as `{name, icon, press}`; `before` stands left of the
 * field. `paint(placeholder, key)` shows the draft of the talk `key`: what is half written to one never goes to
 * another.
 */
export function createComposer({ side, onText, tools, before = null }) {
  const field = h("textarea", {
    class: "composer-field",
    rows: "1",
    testid: `${side}-input`,
    autocomplete: "off",
    enterkeyhint: "send",
  });
  const more = h(
    "button",
    { type: "button", class: "round", testid: `${side}-more`, "aria-expanded": "false" },
    icon("plus"),
  );
  const send = h("button", { type: "submit", class: "send", testid: `${side}-send`, disabled: true });
  const tray = h("div", { class: "tray", hidden: true });
  const form = h(
    "form",
    { class: "composer", novalidate: true },
    h("div", { class: "composer-row" }, before, field, more, send),
    tray,
  );
  const talk = { key: null, drafts: new Map() };
  const refresh = () => adjust(field, send);
  field.addEventListener("input", refresh);
  field.addEventListener("keydown", (event) => sendOnEnter(event, form));
  form.addEventListener("submit", (event) => submit(event, field, talk, refresh, onText));
  more.addEventListener("click", () => openTray(tray, more, tray.hidden));
  const close = () => openTray(tray, more, false);
  const paint = (placeholder, key) => {
    if (talk.key !== key) changeTalk(field, talk, key, refresh);
    paintTexts({ field, more, send, tray }, placeholder, side, tools(), close);
  };
  return { element: form, field, paint };
}

function sendOnEnter(event, form) {
  const composing = event.isComposing || event.keyCode === 229; // Enter that only ends pinyin input
  if (event.key !== "Enter" || event.shiftKey || composing) return;
  event.preventDefault();
  form.requestSubmit();
}

function changeTalk(field, talk, key, refresh) {
  talk.drafts.set(talk.key, field.value);
  field.value = talk.drafts.get(key) ?? "";
  talk.key = key;
  refresh();
}

async function submit(event, field, talk, refresh, onText) {
  event.preventDefault();
  const text = field.value;
  const { key } = talk;
  if (!text.trim()) return;
  field.value = "";
  refresh();
  await onText(text).catch((error) => {
    toast(error.message);
    if (talk.key !== key) return talk.drafts.set(key, text);
    field.value ||= text;
    return refresh();
  });
}

function adjust(field, send) {
  send.disabled = !field.value.trim();
  field.style.height = "auto";
  field.style.height = `${Math.min(field.scrollHeight, TALLEST_PX)}px`;
}

function openTray(tray, more, open) {
  tray.hidden = !open;
  more.setAttribute("aria-expanded", String(open));
  more.classList.toggle("round-open", open);
}

function paintTexts({ field, more, send, tray }, placeholder, side, tools, close) {
  field.placeholder = placeholder;
  field.setAttribute("aria-label", placeholder);
  more.setAttribute("aria-label", t("more"));
  send.textContent = t("send");
  refill(tray, locale(), () => tools.map((tool) => trayButton(tool, side, close)));
}

function trayButton({ name, icon: iconName, press }, side, close) {
  const run = () => {
    close();
    press();
  };
  return button({
    icon: iconName,
    text: t(`tray.${name}`),
    press: run,
    class: "tray-button",
    testid: `${side}-${name}`,
  });
}
