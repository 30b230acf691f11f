/** The left side: customers' phones with the official account's talk, and what a customer can do there. */

import { post } from "./api.js";
import { createComposer } from "./composer.js";
import { avatar, button, fill, h, icon } from "./dom.js";
import { refill, sync } from "./keyed.js";
import { locale, t } from "./language.js";
import { createMenuBar } from "./menu.js";
import { choosePicture, openChoice, openLink, openLocation, openPosters } from "./sheets.js";
import {
  chooseCustomer,
  chosenCustomer,
  customerKey,
  markSeen,
  now,
  refreshCustomer,
  refreshLight,
  state,
  unread,
} from "./state.js";
import { createThread } from "./thread.js";
import { attempt, inOrder } from "./toast.js";
import { createWindows } from "./windows.js";

const queue = inOrder();

/** Builds the side into its places of the page; answers `paint(visible)`, which draws the current state. */
export function createCustomers({ rail, tools, phone }) {
  const view = { rail, tools, phone, ...phoneParts() };
  phone.append(
    view.head,
    view.windows.element,
    view.thread.element,
    view.profile,
    view.composer.element,
    view.menu.element,
  );
  const list = h("div", { class: "rail-list" });
  rail.append(
    list,
    button({ icon: "plus", press: addCustomer, class: "rail-add", testid: "customer-add" }, h("span", {})),
  );
  return { paint: (visible) => paint(view, list, visible), tick: () => view.windows.paint(chosenCustomer()) };
}

function phoneParts() {
  const menu = createMenuBar();
  const swap = h(
    "button",
    { type: "button", class: "round", testid: "customer-menu-open", hidden: true },
    icon("menu"),
  );
  const composer = createComposer({
    side: "customer",
    onText: (text) => act("type", { text }),
    tools: tray,
    before: swap,
  });
  swap.addEventListener("click", () => {
    menu.element.hidden = !menu.element.hidden;
    swap.setAttribute("aria-expanded", String(!menu.element.hidden));
  });
  return {
    menu,
    swap,
    composer,
    thread: createThread("customer-thread"),
    windows: createWindows(),
    head: h("header", { class: "phone-head" }),
    profile: h("div", { class: "profile" }),
  };
}

function tray() {
  return [
    { name: "image", icon: "image", press: () => attempt(act("image")) },
    { name: "file", icon: "folder", press: () => choosePicture((file) => attempt(act("image", asForm(file)))) },
    { name: "voice", icon: "voice", press: () => attempt(act("voice")) },
    { name: "location", icon: "location", press: () => openLocation((place) => attempt(act("location", place))) },
    { name: "link", icon: "link", press: () => openLink((link) => attempt(act("link", link))) },
  ];
}

function asForm(file) {
  const body = new FormData();
  body.append("file", file);
  return body;
}

function act(action, body = {}) {
  const { openid } = chosenCustomer();
  const done = queue(() => post(`customers/${encodeURIComponent(openid)}/${action}`, body));
  return done.then(() => attempt(Promise.all([refreshCustomer(openid), refreshLight()])));
}

function addCustomer() {
  if (state.accounts.length < 2) return attempt(create(state.accounts[0]?.app_id));
  const choices = state.accounts.map((account) => ({
    name: account.name,
    press: () => attempt(create(account.app_id)),
  }));
  return openChoice(t("customer.add.account"), choices);
}

async function create(account) {
  const label = t("customer.name", { n: state.customers.length + 1 });
  const { openid } = await post("customers", { account, label });
  await refreshLight();
  await chooseCustomer(openid);
}

function paint(view, list, visible) {
  const customer = chosenCustomer();
  if (customer && visible && !document.hidden) markSeen(customerKey(customer.openid));
  paintRail(view.rail, list);
  paintTools(view.tools, customer);
  view.windows.paint(customer);
  view.phone.classList.toggle("phone-empty", !customer);
  if (!customer) return paintNobody(view);
  const account = accountOf(customer);
  const key = customerKey(customer.openid);
  fill(
    view.head,
    h("span", { class: "phone-title", text: account.name }),
    h("span", { class: "phone-owner", text: customer.label }),
  );
  view.thread.show(key, state.threads.get(key) ?? [], sceneOf(customer, account));
  return paintFoot(view, customer, account);
}

function paintNobody(view) {
  view.composer.element.hidden = true;
  view.menu.element.hidden = true;
  view.thread.element.hidden = true;
  view.profile.hidden = false;
  view.profile.classList.remove("profile-slim");
  fill(view.head);
  refill(view.profile, `${locale()}|nobody`, () => [
    h("strong", { text: t("customer.none") }),
    h("p", { text: t("customer.none.hint") }),
    button({
      icon: "plus",
      text: t("customer.add"),
      press: addCustomer,
      class: "primary",
      testid: "customer-add-first",
    }),
  ]);
}

function sceneOf(customer, account) {
  return {
    me: customer.label,
    them: { name: account.name, face: "face-account" },
    empty: customer.following ? t("thread.empty") : "",
    now: now(),
    onOption: (message, id) => attempt(act("tap", { message_id: message.id, option_id: id })),
  };
}

function accountOf(customer) {
  return (
    state.accounts.find((account) => account.app_id === customer.account) ?? {
      app_id: customer.account,
      name: customer.account,
    }
  );
}

function paintFoot(view, customer, account) {
  const talked = (state.threads.get(customerKey(customer.openid)) ?? []).length > 0;
  const menu = account.menu ?? [];
  view.composer.element.hidden = !customer.following;
  view.swap.hidden = !menu.length;
  view.swap.setAttribute("aria-label", t("customer.menu"));
  view.menu.element.hidden ||= !menu.length || !customer.following;
  view.menu.paint(menu, (key) => attempt(act("menu", { key })));
  view.composer.paint(t("customer.input"), customerKey(customer.openid));
  view.profile.hidden = customer.following;
  view.thread.element.hidden = !customer.following && !talked;
  view.profile.classList.toggle("profile-slim", talked);
  refill(view.profile, `${locale()}|${talked}|${account.app_id}`, () => (talked ? unfollowed() : profile(account)));
}

function profile(account) {
  return [
    avatar(account.name, { kind: "avatar-large face-account" }),
    h("strong", { text: account.name }),
    h("span", {
      class: "profile-kind",
      text: account.wechat_id ? t("account.wechat_id", { id: account.wechat_id }) : t("account.kind"),
    }),
    h("p", { text: t("account.follow.hint") }),
    h(
      "div",
      { class: "profile-buttons" },
      followButton("profile-follow"),
      button({ icon: "scan", text: t("customer.scan"), press: scan, class: "quiet", testid: "profile-scan" }),
    ),
  ];
}

function unfollowed() {
  return [h("p", { text: t("account.unfollowed") }), followButton("profile-follow")];
}

function followButton(testid) {
  return button({ text: t("account.follow.done"), press: () => attempt(act("follow")), class: "primary", testid });
}

function paintTools(tools, customer) {
  const stamp = `${locale()}|${customer?.following}`;
  sync(tools, customer ? ["scan", "follow"] : [], {
    key: (name) => name,
    stamp: () => stamp,
    draw: (name) => tool(name, customer),
  });
}

function tool(name, customer) {
  if (name === "scan")
    return button({ icon: "scan", text: t("customer.scan"), press: scan, class: "pill", testid: "customer-scan" });
  const action = customer.following ? "unfollow" : "follow";
  return button({
    text: t(`customer.${action}`),
    press: () => attempt(act(action)),
    class: "pill",
    testid: `customer-${action}`,
  });
}

async function scan() {
  const { account } = chosenCustomer();
  await attempt(refreshLight()); // codes made since the last event
  const posters = state.posters
    .filter((poster) => poster.account === account)
    .sort((one, other) => Boolean(other.label) - Boolean(one.label));
  openPosters(posters, ({ scene, ticket }) => attempt(act("scan", ticket ? { ticket } : { scene })));
}

function paintRail(rail, list) {
  list.setAttribute("role", "group");
  list.setAttribute("aria-label", t("customers.pick"));
  const stampOf = (customer) =>
    JSON.stringify([
      locale(),
      customer.label,
      customer.following,
      isChosen(customer),
      unread(customerKey(customer.openid)),
    ]);
  sync(list, state.customers, { key: (customer) => customer.openid, stamp: stampOf, draw: railTab });
  bringIntoView(list);
  const add = rail.lastElementChild;
  add.setAttribute("aria-label", t("customer.add"));
  add.lastElementChild.textContent = t("customer.add");
}

function bringIntoView(list) {
  if (list.dataset.chosen === state.chosen.openid) return;
  list.dataset.chosen = state.chosen.openid;
  list.querySelector("[aria-pressed=true]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

const isChosen = (customer) => customer.openid === state.chosen.openid;

function railTab(customer) {
  const count = unread(customerKey(customer.openid));
  const label = count ? `${customer.label}, ${t("member.unread", { n: count })}` : customer.label;
  return h(
    "button",
    {
      type: "button",
      class: "rail-tab",
      testid: "customer-tab",
      data: { openid: customer.openid },
      "aria-pressed": String(isChosen(customer)),
      "aria-label": label,
      on: { click: () => attempt(chooseCustomer(customer.openid)) },
    },
    h(
      "span",
      { class: "rail-face" },
      avatar(customer.label),
      count ? h("span", { class: "badge", text: String(count) }) : null,
    ),
    h("span", { class: "rail-name", text: customer.label }),
  );
}
