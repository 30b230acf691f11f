/** What the page knows of the emulator: loaded once, then kept up to date by its events. */

import { get } from "./api.js";
import { recall, remember } from "./memory.js";

const TYPING_MS = 3000;
const EAGER = 200; // with more phones than this, talks are loaded only when they are looked at

/** The last loaded state. `threads`: messages by thread key; `offset`: the emulator's clock minus ours (ms). */
export const state = {
  accounts: [],
  corps: [],
  customers: [],
  members: [],
  posters: [],
  faults: [],
  threads: new Map(),
  offset: 0,
  chosen: { openid: null, member: null, agentId: null },
};

const loaded = new Set();
const heardAt = new WeakMap(); // when an event brought a message
const seen = new Map(Object.entries(recall("seen", {})));
const listeners = [];
let frame = 0;
let typing = 0;

/** Calls `redraw` after changes, at most once a frame. */
export function onChange(redraw) {
  listeners.push(redraw);
}

/** Tells everyone who draws that something changed. */
export function changed() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    listeners.forEach((redraw) => redraw());
  });
}

/** The emulator's time now, in ms. */
export function now() {
  return Date.now() + state.offset;
}

// Thread keys are the emulator's own: an openid (which holds no slash), or corp, agent and member.
export const customerKey = (openid) => openid;
export const memberKey = (member, agentId) => `${member.corp}/${agentId}/${member.user_id}`;

/** What tells members of several corps apart. */
export const idOf = (member) => `${member.corp}/${member.user_id}`;

/** The corp of a member, and the apps he sees. */
export const corpOf = (member) => state.corps.find((corp) => corp.corp_id === member.corp);
export const agentsOf = (member) => corpOf(member)?.agents ?? [];

/** The customer, the member, the app on the screen; undefined while there is none. */
export const chosenCustomer = () => state.customers.find((customer) => customer.openid === state.chosen.openid);
export const chosenMember = () => state.members.find((member) => idOf(member) === state.chosen.member);
export const chosenAgent = () =>
  chosenMember() && agentsOf(chosenMember()).find((agent) => agent.agent_id === state.chosen.agentId);

/** Loads everything: at the start and after a lost connection. */
export async function load() {
  const began = performance.now();
  loaded.clear();
  const light = await get("state?light=1");
  const few = light.customers.length + light.members.length <= EAGER;
  adopt(few ? await get("state") : light, began);
  if (!few)
    await Promise.all([refreshCustomer(state.chosen.openid), refreshMember(chosenMember(), state.chosen.agentId)]);
}

/** Loads everything after the emulator has forgotten all: what was read or shown before means nothing now. */
export async function loadAnew() {
  seen.clear();
  remember("seen", {});
  state.threads.clear();
  await load();
}

/** Loads all but the talks. */
export const refreshLight = single(async () => adopt(await get("state?light=1"), performance.now()));

function adopt(fresh, began) {
  state.offset = fresh.now - Date.now();
  for (const name of ["accounts", "corps", "customers", "members", "posters", "faults"]) state[name] = fresh[name];
  for (const { openid, thread } of fresh.customers) keep(customerKey(openid), thread, began);
  for (const member of fresh.members) {
    for (const thread of member.threads) keep(memberKey(member, thread.agent_id), thread.messages, began);
  }
  settleChoice();
  watchTyping();
  changed();
}

/** No event tells that someone has stopped typing. */
function watchTyping() {
  clearTimeout(typing);
  if (chosenCustomer()?.typing) typing = setTimeout(refreshLight, TYPING_MS);
}

/** Takes a loaded thread; what events brought since the loading `began` is newer and stays. */
function keep(key, messages, began) {
  if (!messages) return; // a light state has none
  const last = messages.at(-1)?.id ?? 0;
  const heard = (state.threads.get(key) ?? []).filter((message) => heardAt.get(message) > began);
  const newer = new Map(heard.map((message) => [message.id, message]));
  if (last < seen.get(key) && !heard.length) seen.delete(key); // numbers began anew while we were away
  state.threads.set(key, [
    ...messages.map((message) => newer.get(message.id) ?? message),
    ...heard.filter((message) => message.id > last),
  ]);
  loaded.add(key);
}

function settleChoice() {
  const { chosen } = state;
  if (!chosenCustomer()) chosen.openid = state.customers.at(-1)?.openid ?? null;
  if (!chosenMember()) chosen.member = state.members.length ? idOf(state.members[0]) : null;
  if (chosenMember() && !chosenAgent()) chosen.agentId = agentsOf(chosenMember())[0]?.agent_id ?? null;
}

const refreshers = new Map();

/** Loads one customer's talk again. */
export function refreshCustomer(openid) {
  if (!openid) return Promise.resolve();
  return refresher(customerKey(openid), `customers/${encodeURIComponent(openid)}/thread`)();
}

/** Loads one member's talk with one app again. */
export function refreshMember(member, agentId) {
  if (!member || agentId === null) return Promise.resolve();
  const query = new URLSearchParams({ corp: member.corp, agent_id: agentId });
  return refresher(memberKey(member, agentId), `members/${encodeURIComponent(member.user_id)}/thread?${query}`)();
}

function refresher(key, path) {
  if (!refreshers.has(key))
    refreshers.set(
      key,
      single(() => loadThread(key, path)),
    );
  return refreshers.get(key);
}

async function loadThread(key, path) {
  const began = performance.now();
  const { thread } = await get(path);
  keep(key, thread, began);
  changed();
}

/** Wraps `run` so that it never runs twice at a time; calls meanwhile lead to exactly one more run. */
function single(run) {
  let running = null;
  let again = false;
  const loop = async () => {
    do {
      again = false;
      await run();
    } while (again);
  };
  return () => {
    if (running) again = true;
    else
      running = loop().finally(() => {
        running = null;
      });
    return running;
  };
}

/** Puts a customer on the screen. */
export async function chooseCustomer(openid) {
  state.chosen.openid = openid;
  changed();
  if (!loaded.has(customerKey(openid))) await refreshCustomer(openid);
}

/** Puts a member on the screen, with one of the apps: the one named, else one with news, else the first. */
export async function chooseMember(member, agentId = firstWithNews(member)) {
  Object.assign(state.chosen, { member: idOf(member), agentId });
  changed();
  if (!loaded.has(memberKey(member, agentId))) await refreshMember(member, agentId);
}

function firstWithNews(member) {
  const agents = agentsOf(member);
  const agent = agents.find((one) => unread(memberKey(member, one.agent_id))) ?? agents[0];
  return agent?.agent_id ?? null;
}

/** How many messages of the thread came since it was last on the screen. */
export function unread(key) {
  const last = seen.get(key) ?? 0;
  return (state.threads.get(key) ?? []).filter((message) => message.from === "them" && message.id > last).length;
}

/** How many messages on a side ("customer" | "member") have not been read. */
export function unreadOfSide(side) {
  const ofSide = (key) => key.includes("/") === (side === "member");
  return [...state.threads.keys()].filter(ofSide).reduce((sum, key) => sum + unread(key), 0);
}

/** Notes that the thread has been read to its end. */
export function markSeen(key) {
  const last = state.threads.get(key)?.at(-1)?.id ?? 0;
  if (last <= (seen.get(key) ?? 0)) return;
  seen.set(key, last);
  remember("seen", Object.fromEntries(seen));
}

const TAKE = { message: takeMessage, customer: takeCustomer, reset: loadAnew };

/** Takes in one event of `/play/events`; those that only say what kind of thing changed lead to a look at the whole. */
export async function take(event) {
  await (TAKE[event.kind] ?? refreshLight)(event);
  changed();
}

function takeMessage({ thread, message }) {
  const others = (state.threads.get(thread) ?? []).filter((one) => one.id !== message.id);
  const place = others.findLastIndex((one) => one.id < message.id) + 1;
  heardAt.set(message, performance.now());
  state.threads.set(thread, others.toSpliced(place, 0, message));
  return refreshIfShown(thread);
}

function takeCustomer({ kind, ...customer }) {
  const known = state.customers.find((one) => one.openid === customer.openid);
  if (known) Object.assign(known, customer);
  else state.customers.push(customer);
  settleChoice();
  return refreshIfShown(customer.openid);
}

/** What may still be sent to the customer on the screen, and whether someone is typing, no event tells. */
function refreshIfShown(openid) {
  return openid === state.chosen.openid ? refreshLight() : null;
}
