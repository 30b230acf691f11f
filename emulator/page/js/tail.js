/** Follows one of the emulator's growing lists (`/play/ledger`, `/play/deliveries`) and keeps its latest rows. */

import { get } from "./api.js";

const PAGE = 500;
const KEPT = 300;
const EVERY_MS = 2000;

/**
 * Makes a follower of `list`: `{path, field, number, settled}` with `number(row)` a row's place in it, counted from 1,
 * and `settled(row)` whether the row will never change. `onRows()` runs after new rows came. The follower's `tail.rows`
 * are the rows, `read()` looks for new ones, `forget()` starts over; while `open` is set it looks by itself.
 */
export function follow(list, onRows) {
  const follower = { tail: newTail(), open: false };
  const read = async () => {
    const { tail } = follower;
    if (tail.reading) return;
    tail.reading = true;
    const some = await readNew(list, tail).catch(() => false); // the next round tries again
    tail.reading = false;
    if (some && tail === follower.tail) onRows();
  };
  follower.read = read;
  follower.forget = () => {
    follower.tail = newTail(); // a reading under way ends in the old one
  };
  setInterval(() => follower.open && read(), EVERY_MS);
  return follower;
}

function newTail() {
  return { rows: [], last: null, reading: false };
}

async function readNew(list, tail) {
  let from = tail.last === null ? await lateStart(list) : firstOpen(list, tail) - 1;
  let some = false;
  for (;;) {
    const fresh = await page(list, from, PAGE);
    if (fresh.length) from = list.number(fresh.at(-1));
    take(list, tail, fresh, from);
    some ||= fresh.length > 0;
    if (fresh.length < PAGE) return some;
  }
}

function take(list, tail, fresh, last) {
  const known = new Map([...tail.rows, ...fresh].map((row) => [list.number(row), row]));
  tail.rows = [...known.values()].slice(-KEPT);
  tail.last = Math.max(tail.last ?? 0, last);
}

function firstOpen(list, { rows, last }) {
  const open = rows.find((row) => !list.settled(row));
  return open ? list.number(open) : last + 1;
}

/** A place shortly before the end, found by probing: the list may hold millions of rows. */
async function lateStart(list) {
  const goesBeyond = async (place) => (await page(list, place, 1)).length > 0;
  let low = 0;
  let high = KEPT;
  while (await goesBeyond(high)) [low, high] = [high, high * 2];
  while (high - low > KEPT) {
    const middle = Math.floor((low + high) / 2);
    if (await goesBeyond(middle)) low = middle;
    else high = middle;
  }
  return Math.max(0, low - KEPT);
}

async function page({ path, field }, since, limit) {
  return (await get(`${path}?since=${since}&limit=${limit}`))[field];
}
