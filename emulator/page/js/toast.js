/** Short notices at the foot of the page, and the running of what may fail. */

import { h } from "./dom.js";

const SHOWN_MS = 5000;

/** Shows `text` for some seconds; screen readers read it at once. */
export function toast(text) {
  const note = h("p", { class: "toast", testid: "toast", text });
  document.getElementById("toasts").append(note);
  setTimeout(() => note.remove(), SHOWN_MS);
}

/** Waits for `promise`; its failure is shown to the visitor instead of being lost. */
export async function attempt(promise) {
  try {
    return await promise;
  } catch (error) {
    toast(error.message);
    return null;
  }
}

/** Makes a queue: what is put in runs one after another, so that quick typing arrives in the order typed. */
export function inOrder() {
  let last = Promise.resolve();
  return (run) => {
    const result = last.then(run);
    last = result.catch(() => null);
    return result;
  };
}
