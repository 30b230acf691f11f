/** The right side: the advisors' work app with its members, the app's talk, template cards and answers. */

import { post } from "./api.js";
import { createComposer } from "./composer.js";
import { avatar, button, h } from "./dom.js";
import { refill, sync } from "./keyed.js";
import { locale, shortTime, t } from "./language.js";
import { summary } from "./messages.js";
import { choosePicture, openLink, openLocation } from "./sheets.js";
import {
  agentsOf,
  chooseMember,
  chosenAgent,
  chosenMember,
  corpOf,
  idOf,
  markSeen,
  memberKey,
  now,
  refreshMember,
  state,
  unread,
} from "./state.js";
import { createThread } from "./thread.js";
import { attempt, inOrder } from "./toast.js";

const queue = inOrder();

/** Builds the side into its places of the page; answers `paint(visible)`, which draws the current state. */
export function createMembers({ list, tools, desk }) {
  const view = {
    list,
    tools,
    desk,
    head: h("header", { class: "desk-head" }),
    thread: createThread("member-thread"),
    composer: createComposer({ side: "member", onText: (text) => act("type", { text }), tools: tray }),
  };
  desk.append(view.head, view.thread.element, view.composer.element);
  return { paint: (visible) => paint(view, visible) };
}

function tray() {
  return [
    { name: "image", icon: "image", press: () => attempt(act("image")) },
    { name: "file", icon: "folder", press: () => choosePicture((file) => attempt(act("image", {}, file))) },
    { name: "voice", icon: "voice", press: () => attempt(act("voice")) },
    { name: "location", icon: "location", press: () => openLocation((place) => attempt(act("location", place))) },
    { name: "link", icon: "link", press: () => openLink((link) => attempt(act("link", link))) },
  ];
}

function act(action, body = {}, file = null) {
  const member = chosenMember();
  const { agentId } = state.chosen;
  const address = { corp: member.corp, agent_id: agentId };
  const path = `members/${encodeURIComponent(member.user_id)}/${action}`;
  const done = queue(() => post(path, file ? asForm(file, address) : { ...address, ...body }));
  return done.then(() => attempt(refreshMember(member, agentId)));
}

function asForm(file, address) {
  const body = new FormData();
  Object.entries(address).forEach(([name, value]) => body.append(name, value));
  body.append("file", file);
  return body;
}

function paint(view, visible) {
  const member = chosenMember();
  const agent = chosenAgent();
  if (agent && visible && !document.hidden) markSeen(memberKey(member, agent.agent_id));
  paintList(view.list);
  view.composer.element.hidden = !agent;
  paintTools(view.tools, agent);
  if (!agent) return refill(view.head, `${locale()}|none`, () => [h("span", { text: t("members.none") })]);
  const key = memberKey(member, agent.agent_id);
  paintHead(view.head, member, agent);
  view.thread.show(key, state.threads.get(key) ?? [], sceneOf(member, agent));
  return view.composer.paint(t("member.input", { name: member.name }), key);
}

function sceneOf(member, agent) {
  return {
    me: member.name,
    them: { name: agent.name, face: "face-agent" },
    empty: t("member.empty"),
    now: now(),
    onButton: (message, key, chosen) => attempt(act("press", { message_id: message.id, key, selected: chosen })),
  };
}

function paintHead(head, member, agent) {
  const corp = corpOf(member).name;
  const stamp = [
    locale(),
    idOf(member),
    member.name,
    agent.agent_id,
    agent.name,
    corp,
    ...keysOf(member).map(unread),
  ].join("|");
  refill(head, stamp, () => [
    avatar(agent.name, { kind: "face-agent" }),
    h(
      "div",
      { class: "desk-names" },
      agentNames(member, agent),
      h("span", { class: "desk-corp", text: `${corp} · ${member.name}` }),
    ),
  ]);
}

function agentNames(member, agent) {
  if (agentsOf(member).length < 2)
    return h("strong", { class: "desk-agent" }, agent.name, h("span", { class: "tag", text: t("agent.kind") }));
  return h(
    "div",
    { class: "agents" },
    ...agentsOf(member).map((one) =>
      h(
        "button",
        {
          type: "button",
          class: "agent",
          testid: "agent-pick",
          data: { agent: one.agent_id },
          "aria-pressed": String(one.agent_id === agent.agent_id),
          on: { click: () => attempt(chooseMember(member, one.agent_id)) },
        },
        one.name,
        unread(memberKey(member, one.agent_id)) ? h("span", { class: "dot" }) : null,
      ),
    ),
  );
}

function paintTools(tools, agent) {
  const open = () =>
    button({
      icon: "enter",
      text: t("member.open"),
      press: () => attempt(act("open")),
      class: "pill",
      testid: "member-open",
    });
  refill(tools, `${locale()}|${Boolean(agent)}`, () => (agent ? [open()] : []));
}

function paintList(list) {
  const stamp = (member) =>
    JSON.stringify([locale(), member.name, isChosen(member), unreadOf(member), lastOf(member)?.id, timeOf(member)]);
  sync(list, state.members, { key: idOf, stamp, draw: memberButton });
}

const isChosen = (member) => idOf(member) === state.chosen.member;
const keysOf = (member) => agentsOf(member).map((agent) => memberKey(member, agent.agent_id));
const messagesOf = (member) => keysOf(member).flatMap((key) => state.threads.get(key) ?? []);
const lastOf = (member) =>
  messagesOf(member).reduce((last, message) => (message.at >= (last?.at ?? 0) ? message : last), null);
const timeOf = (member) => (lastOf(member) ? shortTime(lastOf(member).at, now()) : "");
const unreadOf = (member) => keysOf(member).reduce((sum, key) => sum + unread(key), 0);

function memberButton(member) {
  const count = unreadOf(member);
  const last = lastOf(member);
  const label = count ? `${member.name}, ${t("member.unread", { n: count })}` : member.name;
  return h(
    "button",
    {
      type: "button",
      class: "member",
      testid: "member-pick",
      data: { user: member.user_id },
      "aria-label": label,
      "aria-pressed": String(isChosen(member)),
      on: { click: () => attempt(chooseMember(member)) },
    },
    h(
      "span",
      { class: "rail-face" },
      avatar(member.name, { kind: "avatar-square" }),
      count ? h("span", { class: "badge", testid: "unread", text: count > 99 ? "99+" : String(count) }) : null,
    ),
    h(
      "span",
      { class: "member-text" },
      h("span", { class: "member-line" }, h("strong", { text: member.name }), h("time", { text: timeOf(member) })),
      h("span", { class: "member-last", text: last ? summary(last) : "" }),
    ),
  );
}
