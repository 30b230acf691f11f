/** The small markdown of WeCom messages: headings, quotes, bold, code, links and three font colours. */

import { h } from "./dom.js";
import { link } from "./text.js";

const INLINE =
  /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)|<font color="(info|comment|warning)">([\s\S]*?)<\/font>/g;

/** The nodes of `text`, one per line. */
export function markdown(text) {
  return (text ?? "").split("\n").map(line);
}

function line(words) {
  const heading = words.match(/^#{1,6}\s+(.*)/);
  if (heading) return h("strong", { class: "md-heading" }, ...inline(heading[1]));
  if (words.startsWith(">")) return h("blockquote", {}, ...inline(words.replace(/^>\s?/, "")));
  return h("p", {}, ...inline(words));
}

function inline(words) {
  const nodes = [];
  let end = 0;
  for (const match of words.matchAll(INLINE)) {
    nodes.push(words.slice(end, match.index), piece(match));
    end = match.index + match[0].length;
  }
  return [...nodes, words.slice(end)];
}

function piece([, bold, code, label, href, colour, coloured]) {
  if (bold) return h("b", {}, ...inline(bold));
  if (code) return h("code", { text: code });
  if (label) return link(href, label);
  return h("span", { class: `md-${colour}` }, ...inline(coloured));
}
