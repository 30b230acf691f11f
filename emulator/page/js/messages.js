/** What stands inside a bubble, one drawing per kind of message; a kind nobody knows is named, never hidden. */

import { cardWords, pairs, templateCard, textCard } from "./cards.js";
import { fill, h, icon, picture } from "./dom.js";
import { t } from "./language.js";
import { markdown } from "./markdown.js";
import { openPicture } from "./sheets.js";
import { isWeb, link, option, rich } from "./text.js";

const PLAIN = new Set(["text", "voice", "markdown", "msgmenu", "recalled"]);

const KINDS = {
  text: { draw: text, line: (message) => message.text },
  markdown: {
    draw: (message) => h("div", { class: "markdown" }, ...markdown(message.text)),
    line: (message) => message.text,
  },
  msgmenu: { draw: menu, line: (message) => message.content.head_content ?? message.text },
  image: { draw: image, line: () => tagged("message.image") },
  voice: { draw: voice, line: () => tagged("message.voice") },
  video: { draw: video, line: () => tagged("message.video") },
  file: { draw: file, line: () => tagged("message.file") },
  music: { draw: music, line: (message) => tagged("message.music", message.content.title) },
  location: { draw: location, line: (message) => tagged("tray.location", message.text) },
  link: { draw: linkCard, line: (message) => tagged("tray.link", message.text) },
  news: { draw: news, line: (message) => message.text || message.content.articles?.[0]?.title },
  miniprogrampage: { draw: miniProgram, line: (message) => tagged("message.miniprogram", message.content.title) },
  miniprogram_notice: { draw: miniNotice, line: (message) => tagged("message.miniprogram", message.content.title) },
  template: { draw: serviceNotice, line: () => tagged("message.service") },
  textcard: { draw: textCard, line: (message) => message.content.title },
  template_card: { draw: templateCard, line: cardLine },
  recalled: { draw: () => h("em", { text: t("message.recalled") }), line: () => t("message.recalled") },
};

/** The inside of the bubble. `scene.onOption(message, id)` and `scene.onButton(message, key)` answer taps. */
export function body(message, scene) {
  return (KINDS[message.type]?.draw ?? other)(message, scene);
}

/** Whether the bubble is a plain coloured one (words), not a picture or a card with a frame of its own. */
export function isPlain(message) {
  return PLAIN.has(message.type) || !(message.type in KINDS);
}

/** One line for a list of talks. */
export function summary(message) {
  const line = message.from === "system" ? message.text : KINDS[message.type]?.line(message);
  return (line ?? `[${message.type}]`).replace(/<[^>]*>|\*\*|^[>#]+ /gm, "").replace(/\s+/g, " ");
}

function cardLine({ text: title, content }) {
  return [title, content.quote_area?.quote_text].filter(Boolean).join(" · ");
}

function tagged(key, more) {
  return more ? `[${t(key)}] ${more}` : `[${t(key)}]`;
}

function other(message) {
  return h("em", { text: t("message.other", { type: message.type }) });
}

function text(message, scene) {
  return h("p", { class: "words" }, ...rich(message.text, (id) => scene.onOption?.(message, id)));
}

function menu(message, scene) {
  const { head_content: head, tail_content: tail } = message.content;
  const options = message.options.map(({ id, content }) =>
    h(
      "li",
      {},
      option(id, content, () => scene.onOption?.(message, id)),
    ),
  );
  return h("div", { class: "menu" }, words(head), h("ul", { class: "options" }, ...options), words(tail));
}

function words(content) {
  return content ? h("p", { class: "words" }, ...rich(content)) : null;
}

function image(message) {
  const open = () => openPicture(message.media_url);
  return h(
    "button",
    { type: "button", class: "picture", "aria-label": t("message.image"), on: { click: open } },
    icon("image"),
    picture(message.media_url, t("message.image"), "picture-image"),
  );
}

function voice(message) {
  const spoken = h(
    "button",
    { type: "button", class: "voice", "aria-label": t("message.voice") },
    icon("voice"),
    h("span", { text: t("message.voice") }),
  );
  spoken.addEventListener("click", () => play(spoken, message.media_url));
  return spoken;
}

async function play(spoken, src) {
  const sound = new Audio(src);
  const stop = () => spoken.classList.remove("playing");
  sound.addEventListener("ended", stop);
  spoken.classList.add("playing");
  await sound.play().catch(() => {
    stop();
    fill(spoken, icon("voice"), h("span", { text: t("message.voice.refused") }));
  });
}

function video({ media_url: src, content }) {
  const screen = h("video", { class: "video", src, controls: true, preload: "metadata" });
  return h("div", { class: "card" }, screen, content.title ? cardWords(content.title, content.description) : null);
}

function file(message) {
  const props = { class: "card card-row", href: message.media_url, target: "_blank", rel: "noopener" };
  return h("a", props, cardWords(message.text || t("message.file")), icon("file"));
}

function music({ content }) {
  return frame(
    content.musicurl || content.hqmusicurl,
    "card card-row",
    cardWords(content.title, content.description),
    icon("music"),
  );
}

function location({ text: label, content }) {
  const point = [content.lat, content.lng].map((degrees) => Number(degrees).toFixed(4)).join(", ");
  return h(
    "div",
    { class: "card" },
    cardWords(label || t("tray.location"), point),
    h("div", { class: "map" }, icon("location")),
  );
}

function linkCard({ text: title, content }) {
  return frame(content.url, "card card-row", cardWords(title, content.description), icon("link"));
}

function news({ content }) {
  return h("div", { class: "news-list" }, ...(content.articles ?? []).map(article));
}

function article({ url, picurl, title, description }) {
  return frame(url, "card", isWeb(picurl) ? picture(picurl, "", "news-picture") : null, cardWords(title, description));
}

function miniProgram({ content, media_url: thumb }) {
  const cover = thumb ? picture(thumb, "", "news-picture") : h("div", { class: "map" }, icon("mini"));
  return h("div", { class: "card" }, cardWords(content.title), cover, foot("message.miniprogram", "mini"));
}

function miniNotice({ content }) {
  const fields = (content.content_item ?? []).map(({ key, value }) => [key, value]);
  return h(
    "div",
    { class: "card" },
    cardWords(content.title, content.description, pairs(fields)),
    foot("message.miniprogram", "mini"),
  );
}

function serviceNotice({ content }) {
  const fields = Object.entries(content.data ?? {}).map(([key, field]) => [key, field?.value]);
  return frame(
    content.url,
    "card",
    cardWords(t("message.service"), "", pairs(fields)),
    isWeb(content.url) ? foot("message.details") : null,
  );
}

function frame(url, className, ...children) {
  return fill(link(url, "", className), ...children);
}

function foot(key, iconName) {
  return h("footer", { class: "card-foot" }, iconName ? icon(iconName) : null, t(key));
}
