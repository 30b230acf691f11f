/** What a template card lets one choose besides its buttons: lists to tick and lists to open. */

import { h } from "./dom.js";

/** The questions of a card (vote, multiple choice, drop-down beside the buttons) as form fields. */
export function questions({ checkbox, select_list: lists, button_selection: selection }) {
  const dropDowns = [...(lists ?? []), selection].filter(Boolean).map(dropDown);
  return checkbox ? [ticks(checkbox), ...dropDowns] : dropDowns;
}

/** What is chosen in `card` (the element) now: option ids by question key. */
export function selected(card) {
  const chosen = {};
  for (const field of card.querySelectorAll("[data-question]")) {
    if (field.matches("select") || field.checked) (chosen[field.dataset.question] ??= []).push(field.value);
  }
  return chosen;
}

function ticks({ question_key: question, option_list: options, mode }) {
  const type = Number(mode) === 1 ? "checkbox" : "radio";
  const group = `${question}-${crypto.randomUUID()}`; // the same question may stand on several cards
  return h(
    "div",
    { class: "card-choice" },
    ...(options ?? []).map(({ id, text, is_checked: checked }) =>
      h(
        "label",
        { class: "check" },
        h("input", {
          type,
          name: group,
          value: id,
          checked: Boolean(checked),
          testid: "card-option",
          data: { question },
        }),
        text,
      ),
    ),
  );
}

function dropDown({ question_key: question, title, option_list: options, selected_id: chosen }) {
  const items = (options ?? []).map(({ id, text }) => h("option", { value: id, selected: id === chosen, text }));
  return h(
    "label",
    { class: "pick" },
    h("span", { text: title ?? "" }),
    h("select", { class: "field", testid: "card-select", data: { question } }, ...items),
  );
}
