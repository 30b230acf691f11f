/** The emulator's clock: shows it, moves it on, and starts everything over. */

import { post } from "./api.js";
import { button, h } from "./dom.js";
import { refill } from "./keyed.js";
import { fullTime, locale, t } from "./language.js";
import { openConfirm } from "./sheets.js";
import { loadAnew, now, refreshLight } from "./state.js";
import { attempt } from "./toast.js";

const STEPS_S = [60, 3600, 176_400];

/** Makes the panel. */
export function createClock() {
  const date = h("span", { class: "clock-date" });
  const time = h("strong", { class: "clock-time" });
  const hint = h("p", { class: "hint" });
  const steps = h("div", { class: "clock-steps" });
  const element = h(
    "div",
    { class: "clock-panel", hidden: true },
    h("div", { class: "clock-face" }, time, date, hint),
    steps,
  );
  setInterval(() => element.hidden || tick(time, date), 1000);
  const paint = () => {
    tick(time, date);
    hint.textContent = t("clock.hint");
    refill(steps, locale(), () => [...STEPS_S.map(step), startOver()]);
  };
  return {
    element,
    paint,
    open: (open) => {
      element.hidden = !open;
    },
  };
}

function tick(time, date) {
  const face = fullTime(now());
  time.textContent = face.time;
  date.textContent = face.date;
}

function step(seconds) {
  const press = () => attempt(post("clock", { advance_s: seconds }).then(refreshLight));
  return stepButton({
    text: t(`clock.${seconds}`),
    hint: t(`clock.${seconds}.hint`),
    press,
    testid: `clock-${seconds}`,
  });
}

function startOver() {
  const press = () => openConfirm(t("reset.sure"), () => attempt(post("reset").then(loadAnew)));
  return stepButton({ text: t("reset"), hint: t("reset.hint"), press, testid: "reset", class: "step step-danger" });
}

function stepButton({ text, hint, press, testid, class: className = "step" }) {
  return button({ press, class: className, testid }, h("strong", { text }), h("span", { text: hint }));
}
