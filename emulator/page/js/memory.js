/** What this browser remembers between visits (language, what has been read); forgetting is never an error. */

const PREFIX = "emulator.";

/** The value remembered under `key`, or `fallback` when there is none or the browser keeps nothing. */
export function recall(key, fallback) {
  try {
    return JSON.parse(localStorage.getItem(PREFIX + key)) ?? fallback;
  } catch {
    return fallback;
  }
}

/** Remembers `value` (JSON) under `key`; a browser that refuses only makes the next visit start fresh. */
export function remember(key, value) {
  try {
    localStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    return false;
  }
  return true;
}
