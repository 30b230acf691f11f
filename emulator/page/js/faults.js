/** Faults a platform can be asked to have, one switch each. */

import { post, remove } from "./api.js";
import { button, h } from "./dom.js";
import { refill, sync } from "./keyed.js";
import { has, locale, t } from "./language.js";
import { refreshLight, state } from "./state.js";
import { attempt } from "./toast.js";

const KINDS = [
  { kind: "slow", value: 6, min: 1, max: 60 },
  { kind: "status", value: 503, min: 500, max: 599 },
  { kind: "errcode", value: 45047, min: -1, max: 999_999 },
  { kind: "accept_then_cut" },
  { kind: "cut" },
  { kind: "garbage" },
  { kind: "duplicate", value: 3, min: 2, max: 10 },
  { kind: "reorder", value: 3, min: 2, max: 10 },
];
const SCOPES = ["all", "wechat", "wecom"];
const TIMES = [0, 1, 3];
const EVERY_MS = 2000;

/** The faults that will still strike: no order whose times are used up. */
export function inForce() {
  return state.faults.filter((fault) => fault.times === null || fault.struck < fault.times);
}

/** Makes the panel. */
export function createFaults() {
  const wanted = { scope: "all", times: 0, values: Object.fromEntries(KINDS.map(({ kind, value }) => [kind, value])) };
  const bar = h("div", { class: "faults-bar" });
  const grid = h("div", { class: "faults" });
  const element = h("div", { class: "faults-panel", hidden: true }, bar, grid);
  const paint = () => {
    refill(bar, `${locale()}|${inForce().length > 0}`, () => [barOf(wanted)]);
    const stamp = (fault) => `${locale()}|${active(fault.kind).length}`;
    sync(grid, KINDS, { key: (fault) => fault.kind, stamp, draw: (fault) => card(fault, wanted) });
  };
  setInterval(() => watchTimes(element), EVERY_MS);
  return {
    element,
    paint,
    open: (open) => {
      element.hidden = !open;
    },
  };
}

/** No event tells that a fault has struck for the last time. */
function watchTimes(element) {
  if (!element.hidden && inForce().some((fault) => fault.times !== null)) attempt(refreshLight());
}

const active = (kind) => inForce().filter((fault) => fault.kind === kind);

function barOf(wanted) {
  return h(
    "div",
    { class: "faults-choices" },
    select(
      "faults.scope",
      SCOPES,
      wanted.scope,
      (scope) => {
        wanted.scope = scope;
      },
      "fault-scope",
    ),
    select(
      "faults.times",
      TIMES,
      wanted.times,
      (times) => {
        wanted.times = Number(times);
      },
      "fault-times",
    ),
    button({
      text: t("faults.clear"),
      press: () => change(remove("faults")),
      class: "quiet",
      testid: "fault-clear",
      disabled: !inForce().length,
    }),
  );
}

function select(key, options, chosen, onPick, testid) {
  const items = options.map((value) =>
    h("option", { value: String(value), selected: value === chosen, text: t(`${key}.${value}`) }),
  );
  const on = { change: (event) => onPick(event.target.value) };
  return h(
    "label",
    { class: "pick" },
    h("span", { text: t(key) }),
    h("select", { class: "field", testid, on }, ...items),
  );
}

function card(fault, wanted) {
  const { kind } = fault;
  const on = active(kind).length > 0;
  const flip = () => change(on ? switchOff(kind) : post("faults", request(kind, wanted)));
  const knob = h("button", {
    type: "button",
    class: "switch",
    role: "switch",
    "aria-checked": String(on),
    "aria-label": t(`fault.${kind}`),
    testid: `fault-${kind}`,
    on: { click: flip },
  });
  return h(
    "div",
    { class: on ? "fault fault-on" : "fault" },
    h(
      "div",
      { class: "fault-words" },
      h("strong", { text: t(`fault.${kind}`) }),
      h("span", { text: t(`fault.${kind}.hint`) }),
    ),
    fault.value === undefined ? null : valueField(fault, wanted),
    knob,
  );
}

function valueField({ kind, min, max }, wanted) {
  const unit = has(`fault.${kind}.unit`) ? t(`fault.${kind}.unit`) : "";
  const on = {
    change: (event) => {
      wanted.values[kind] = Number(event.target.value);
    },
  };
  return h(
    "label",
    { class: "fault-value" },
    h("input", {
      class: "field",
      type: "number",
      value: String(wanted.values[kind]),
      min,
      max,
      testid: `fault-${kind}-value`,
      "aria-label": `${t(`fault.${kind}`)} ${unit}`,
      on,
    }),
    unit && h("span", { text: unit }),
  );
}

function request(kind, { scope, times, values }) {
  const match = scope === "all" ? {} : { platform: scope };
  return { kind, match, ...(values[kind] === undefined ? {} : { value: values[kind] }), ...(times ? { times } : {}) };
}

function switchOff(kind) {
  return Promise.all(active(kind).map((fault) => remove(`faults/${encodeURIComponent(fault.id)}`)));
}

function change(done) {
  return attempt(Promise.resolve(done).then(refreshLight));
}
