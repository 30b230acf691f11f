/** Puts the page together: customers' phones left, the advisors' work app right, the platforms' backstage below. */

import { createCustomers } from "./customers.js";
import { createDrawer } from "./drawer.js";
import { exactTime, onLanguage, paintPage, switchLanguage, t } from "./language.js";
import { listen } from "./live.js";
import { createMembers } from "./members.js";
import { changed, load, now, onChange, take, unreadOfSide } from "./state.js";
import { attempt } from "./toast.js";

const place = (id) => document.getElementById(id);
const stage = place("stage");
const narrow = window.matchMedia("(max-width: 899px)");
const sides = {
  customer: createCustomers({ rail: place("customer-rail"), tools: place("customer-tools"), phone: place("phone") }),
  member: createMembers({ list: place("member-list"), tools: place("member-tools"), desk: place("desk") }),
};
const drawer = createDrawer(place("drawer"));

start();

function start() {
  place("language").addEventListener("click", switchLanguage);
  onLanguage(() => {
    paintPage();
    changed();
  });
  document
    .querySelectorAll(".side")
    .forEach((side) => side.addEventListener("click", () => showSide(side.dataset.side)));
  [document, narrow].forEach((source) =>
    source.addEventListener(source === document ? "visibilitychange" : "change", changed),
  );
  onChange(paint);
  setInterval(paintSecond, 1000);
  paintPage();
  listen({ onOpen: () => attempt(loadAll()), onEvent: hear, onStatus: showStatus });
}

async function loadAll() {
  await load();
  drawer.forget();
  drawer.read();
}

async function hear(event) {
  await attempt(take(event));
  if (event.kind === "reset") drawer.forget();
  drawer.read();
}

function paint() {
  for (const [name, side] of Object.entries(sides)) side.paint(!narrow.matches || stage.dataset.side === name);
  drawer.paint();
  paintClock();
  paintSides();
  paintTop();
}

function paintSecond() {
  paintClock();
  sides.customer.tick();
}

function paintClock() {
  place("clock").textContent = exactTime(now());
  place("clock").dateTime = new Date(now()).toISOString();
}

function paintTop() {
  place("live").textContent = t(`live.${place("live").dataset.state}`);
  place("language").textContent = t("language.other");
}

function paintSides() {
  for (const side of document.querySelectorAll(".side")) {
    side.setAttribute("aria-pressed", String(side.dataset.side === stage.dataset.side));
    side.querySelector(".dot").hidden =
      side.dataset.side === stage.dataset.side || unreadOfSide(side.dataset.side) === 0;
  }
}

function showSide(name) {
  stage.dataset.side = name;
  paint();
}

function showStatus(status) {
  place("live").dataset.state = status;
  changed();
}
