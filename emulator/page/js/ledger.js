/** Two live lists: what the platforms accepted (ledger) and what they tried to tell the gateway (callbacks). */

import { h } from "./dom.js";
import { sync } from "./keyed.js";
import { exactTime, locale, t } from "./language.js";
import { changed, state } from "./state.js";
import { follow } from "./tail.js";

const LEDGER = { path: "ledger", field: "lines", number: (row) => row.n, settled: () => true };
const DELIVERIES = {
  path: "deliveries",
  field: "deliveries",
  number: (row) => row.id,
  settled: (row) => row.delivered !== null,
};

/** Makes the ledger's panel. */
export function createLedger() {
  const filter = h("input", { type: "checkbox", testid: "ledger-messages" });
  const filterName = h("span");
  const hint = h("span", { class: "hint" });
  const bar = h("div", { class: "list-bar" }, hint, h("label", { class: "check" }, filter, filterName));
  const panel = listPanel("ledger", bar, LEDGER, ledgerRow, (row) => !filter.checked || row.to !== null);
  filter.addEventListener("change", panel.paint);
  const paint = () => {
    filterName.textContent = t("ledger.messages");
    hint.textContent = t("ledger.hint");
    panel.paint();
  };
  return { ...panel, paint };
}

/** Makes the callbacks' panel. */
export function createDeliveries() {
  return listPanel("deliveries", null, DELIVERIES, deliveryRow, () => true);
}

function listPanel(name, bar, source, draw, wanted) {
  const list = h("ol", { class: "rows", tabindex: "0" });
  const none = h("p", { class: "blank" });
  const element = h("div", { class: "list-panel", hidden: true }, bar ?? "", none, list);
  const follower = follow(source, () => changed());
  const paint = () => {
    const rows = follower.tail.rows.filter(wanted).reverse();
    none.hidden = rows.length > 0;
    none.textContent = t(`${name}.none`);
    list.setAttribute("aria-label", t(name));
    if (!element.hidden) sync(list, rows, { key: source.number, stamp: (row) => locale() + JSON.stringify(row), draw });
  };
  const open = (isOpen) => {
    element.hidden = !isOpen;
    follower.open = isOpen;
    paint();
    if (isOpen) follower.read();
  };
  return {
    element,
    paint,
    open,
    read: follower.read,
    forget: follower.forget,
    note: () => (follower.tail.last ? String(follower.tail.last) : ""),
  };
}

function ledgerRow(row) {
  const tags = [
    row.shown === false && row.to !== null
      ? tag(t("ledger.hidden", { why: row.why_not_shown ?? "?" }), "tag-warn")
      : null,
    row.fault ? tag(t("ledger.fault", { kind: faultName(row.fault) }), "tag-bad") : null,
  ];
  return entry("ledger-row", { n: row.n, api: row.api }, row, [
    h("span", { class: "row-n", text: `#${row.n}` }),
    h("time", { text: exactTime(row.at) }),
    h("span", { class: `platform platform-${row.platform}`, text: t(`faults.scope.${row.platform}`) }),
    h("code", { class: "row-api", text: row.api }),
    h("span", { class: "row-to", text: row.to ? nameOf(row.to) : "" }),
    h("span", { class: "row-text", text: words(row) }),
    ...tags,
  ]);
}

function deliveryRow(row) {
  const outcome = row.delivered === true ? "ok" : row.delivered === false ? "failed" : "waiting";
  const tries = (row.attempts ?? []).map(({ status, ms }, index) =>
    tag(`${t("delivery.attempt", { n: index + 1 })} ${status ?? "–"} · ${Math.round(ms)} ms`, ""),
  );
  return entry("delivery-row", { id: row.id }, row, [
    h("span", { class: "row-n", text: `#${row.id}` }),
    h("time", { text: row.at ? exactTime(row.at) : "" }),
    h("span", { class: `platform platform-${row.platform}`, text: t(`faults.scope.${row.platform}`) }),
    h("span", { class: "row-text", text: `${row.what} · ${nameOf(row.from)}` }),
    ...tries,
    tag(t(`delivery.${outcome}`), outcome === "failed" ? "tag-bad" : outcome === "ok" ? "tag-good" : ""),
  ]);
}

function entry(testid, data, row, cells) {
  const raw = h("pre", { class: "row-raw" });
  const details = h("details", {}, h("summary", { class: "row" }, ...cells), raw);
  details.addEventListener("toggle", () => {
    raw.textContent = details.open ? JSON.stringify(row.body ?? row, null, 2) : "";
  });
  return h("li", { testid, data }, details);
}

function tag(text, className) {
  return h("span", { class: `tag ${className}`, text });
}

function faultName(fault) {
  const key = `fault.${fault}`;
  return t(key) === key ? fault : t(key);
}

function nameOf(id) {
  const customer = state.customers.find((one) => one.openid === id);
  const member = state.members.find((one) => one.user_id === id);
  return customer?.label ?? member?.name ?? id;
}

function words({ msgtype, body }) {
  const part = body?.[msgtype] ?? {};
  const text = part.content ?? part.head_content ?? part.title ?? part.main_title?.title ?? part.articles?.[0]?.title;
  return [msgtype, typeof text === "string" ? text.replace(/\s+/g, " ") : ""].filter(Boolean).join(" · ");
}
