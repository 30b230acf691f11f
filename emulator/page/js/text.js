/** Turns a platform's text into nodes: links, choices (`weixin://bizmsgmenu` links), and otherwise just text. */

import { h } from "./dom.js";

const ANCHOR = /<a\s[^>]*?href\s*=\s*(["'])(.*?)\1[^>]*>([\s\S]*?)<\/a>/gi;
const BARE = /https?:\/\/[^\s<>"'，。；：！？、（）「」《》【】]+/gi;

/** The nodes of `text`; `onOption(id, content)` is called when a choice written into the text is tapped. */
export function rich(text, onOption) {
  return split(text ?? "", ANCHOR, (match) => anchor(match[2], match[3], onOption), bare);
}

function bare(text) {
  return split(
    text,
    BARE,
    (match) => link(match[0], match[0]),
    (rest) => [rest],
  );
}

function split(text, pattern, found, between) {
  const nodes = [];
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    nodes.push(...between(text.slice(end, match.index)), found(match));
    end = match.index + match[0].length;
  }
  nodes.push(...between(text.slice(end)));
  return nodes.filter((node) => node !== "");
}

function anchor(href, label, onOption) {
  if (!href.startsWith("weixin://bizmsgmenu")) return link(href, label);
  const query = new URLSearchParams(href.split("?")[1] ?? "");
  const content = query.get("msgmenucontent") ?? label;
  return option(query.get("msgmenuid") ?? "", label, () => onOption?.(query.get("msgmenuid") ?? "", content));
}

/** A choice a customer can tap. */
export function option(id, label, press) {
  return h("button", {
    type: "button",
    class: "option",
    testid: "menu-option",
    data: { option: id },
    text: label,
    on: { click: press },
  });
}

/** A link that opens in a new tab, or plain text when the address is none a browser should open. */
export function link(href, label, className = "text-link") {
  if (!isWeb(href)) return h("span", { class: className, text: label });
  return h("a", { class: className, href, target: "_blank", rel: "noopener noreferrer", text: label });
}

/** Whether `href` is a web address (never `javascript:` and the like). */
export function isWeb(href) {
  return /^https?:\/\//i.test(href ?? "");
}
