/** Calls to the emulator's control face (`/play/...`). */

/** A call the emulator refused or that did not arrive; `message` can be shown to the visitor. */
export class PlayError extends Error {}

/** GET, answers the JSON body. */
export function get(path) {
  return call("GET", path);
}

/** POST of a JSON object or, for files, of FormData; answers the JSON body. */
export function post(path, body = {}) {
  return call("POST", path, body);
}

/** DELETE, answers the JSON body. */
export function remove(path) {
  return call("DELETE", path);
}

async function call(method, path, body) {
  const response = await fetch(`/play/${path}`, { method, ...payload(body) }).catch((error) => {
    throw new PlayError(`${method} /play/${path}: ${error.message}`);
  });
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new PlayError(reason(answer) ?? `${method} /play/${path}: HTTP ${response.status}`);
  return answer;
}

function payload(body) {
  if (body === undefined) return {};
  if (body instanceof FormData) return { body };
  return { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
}

function reason(answer) {
  const error = answer?.error;
  return typeof error === "string" ? error : error?.message;
}
