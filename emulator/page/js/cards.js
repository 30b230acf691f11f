/** Cards: the words all share, WeCom's text cards and template cards (quotation, rows, links, buttons). */

import { questions, selected } from "./choices.js";
import { fill, h, icon, picture } from "./dom.js";
import { t } from "./language.js";
import { isWeb, link } from "./text.js";

const pressedButtons = new Set(); // the platform shows a press at once, the app's answer comes later

/** A card's title, the smaller words below, and what else belongs to them. */
export function cardWords(title, description, ...more) {
  return h(
    "div",
    { class: "card-words" },
    h("strong", { class: "card-title", text: title ?? "" }),
    description ? h("span", { class: "card-more", text: description }) : null,
    ...more,
  );
}

/** Names and values under each other; `fields` are [name, value] with values of text or nodes. */
export function pairs(fields) {
  if (!fields.length) return null;
  return h(
    "dl",
    { class: "pairs" },
    ...fields.map(([name, value]) =>
      h("div", { class: "pair" }, h("dt", { text: name ?? "" }), h("dd", {}, value ?? "")),
    ),
  );
}

/** A text card: title, words, one link. */
export function textCard({ content }) {
  const words = (content.description ?? "").replace(/<br\s*\/?>/gi, "\n").replace(/<[^>]*>/g, "");
  return fill(
    link(content.url, "", "card"),
    cardWords(content.title, "", h("span", { class: "card-lines", text: words })),
    h("footer", { class: "card-foot", text: content.btntxt || t("message.details") }),
  );
}

/** A template card as the platform received it (`message.content`), with the buttons as they stand now. */
export function templateCard(message, scene) {
  const card = message.content;
  const parts = [
    source(card.source),
    title(card.main_title),
    emphasis(card.emphasis_content),
    quote(card.quote_area),
    card.sub_title_text ? h("p", { class: "card-lines", text: card.sub_title_text }) : null,
    rows(card.horizontal_content_list),
    ...questions(card),
  ];
  return h(
    "div",
    { class: "card template", testid: "card" },
    h("div", { class: "card-words" }, ...parts.filter(Boolean)),
    jumps(card.jump_list),
    buttons(message, scene),
  );
}

function source(from) {
  if (!from?.desc) return null;
  return h(
    "span",
    { class: "card-source" },
    isWeb(from.icon_url) ? picture(from.icon_url, "", "card-icon") : null,
    from.desc,
  );
}

function title(main) {
  if (!main) return null;
  return h(
    "div",
    { class: "card-head" },
    main.title ? h("strong", { class: "card-title", text: main.title }) : null,
    main.desc ? h("span", { class: "card-more", text: main.desc }) : null,
  );
}

function emphasis(content) {
  if (!content) return null;
  return h(
    "div",
    { class: "card-emphasis" },
    h("strong", { text: content.title ?? "" }),
    h("span", { text: content.desc ?? "" }),
  );
}

function quote(area) {
  if (!area?.quote_text && !area?.title) return null;
  return h(
    "blockquote",
    { class: "card-quote" },
    area.title ? h("strong", { text: area.title }) : null,
    area.quote_text ?? "",
  );
}

function rows(list) {
  return pairs((list ?? []).map((row) => [row.keyname, value(row)]));
}

function value(row) {
  return Number(row.type) === 1 ? link(row.url, row.value || row.url) : (row.value ?? "");
}

function jumps(list) {
  if (!list?.length) return null;
  return h("div", { class: "card-jumps" }, ...list.map((jump) => link(jump.url, jump.title, "card-jump")));
}

function buttons(message, scene) {
  if (!message.buttons?.length) return null;
  return h("div", { class: "card-buttons" }, ...message.buttons.map((one) => cardButton(one, message, scene)));
}

function cardButton({ key, text, done, url }, message, scene) {
  if (url) return link(url, text, "card-button");
  const pressed = done || pressedButtons.has(nameOf(message, key));
  const press = (event) => {
    pressedButtons.add(nameOf(message, key));
    event.currentTarget.setAttribute("aria-pressed", "true");
    scene.onButton?.(message, key, selected(event.currentTarget.closest(".template")));
  };
  const props = {
    class: "card-button",
    testid: "card-button",
    data: { key },
    disabled: done,
    "aria-pressed": String(pressed),
  };
  return h("button", { type: "button", ...props, on: { click: press } }, done ? icon("check") : null, text);
}

function nameOf(message, key) {
  return `${message.id} ${message.at} ${key}`;
}
