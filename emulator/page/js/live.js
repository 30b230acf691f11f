/** The emulator's events (`/play/events`): keeps the connection, and reloads all after each gap. */

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;

/**
 * Listens for ever. `onOpen` runs after each (re)connection, because events sent in between are lost; `onEvent` gets
 * each change; `onStatus` gets "open", "waiting" or "lost".
 */
export function listen({ onOpen, onEvent, onStatus }) {
  let wait = FIRST_WAIT_MS;
  const connect = () => {
    const source = new EventSource("/play/events");
    source.addEventListener("open", async () => {
      wait = FIRST_WAIT_MS;
      onStatus("open");
      await onOpen();
    });
    source.addEventListener("message", (message) => onEvent(JSON.parse(message.data)));
    source.addEventListener("error", () => {
      source.close();
      onStatus("lost");
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    });
  };
  onStatus("waiting");
  connect();
}
