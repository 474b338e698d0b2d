// The keys of the login issuer, fetched when they are needed and kept for a while.

import { Refused } from "./jwt.mjs";

/** After this the keys are asked for again. */
const GOOD_FOR_SECONDS = 600;
/** An unknown `kid` asks again at most this often: otherwise anybody could have us ask. */
const PAUSE_SECONDS = 2;
const TIMEOUT_MS = 5_000;
const MOST_BYTES = 64 * 1024;

/** @typedef {JsonWebKey & {kid?: string, use?: string}} Key */

/** @type {Map<string, {keys: Key[], asked: number}>} by address, in the life of an isolate */
const known = new Map();

/**
 * @param {string} url
 * @param {unknown} kid
 * @param {number} now seconds
 * @returns {Promise<Key>}
 */
export async function keyFor(url, kid, now) {
  let held = known.get(url);
  const named = () => held?.keys.find((key) => key.kid === kid);
  const age = held ? now - held.asked : Infinity;
  if (age > GOOD_FOR_SECONDS || (!named() && age >= PAUSE_SECONDS)) {
    try {
      held = { keys: await fetchKeys(url), asked: now };
    } catch (error) {
      // The last good keys are better than none: the issuer may be away for a moment.
      if (!held) throw error;
      held = { ...held, asked: now };
    }
    known.set(url, held);
  }
  const key = typeof kid === "string" ? named() : undefined;
  if (!key) throw new Refused(401, "the issuer has no such key");
  return key;
}

/**
 * @param {string} url
 * @returns {Promise<Key[]>}
 */
async function fetchKeys(url) {
  const unreachable = new Refused(502, "the keys of the login issuer cannot be had now");
  const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => {
    throw unreachable;
  });
  if (!response.ok) throw unreachable;
  const text = await response.text();
  if (text.length > MOST_BYTES) throw unreachable;
  try {
    const { keys } = JSON.parse(text);
    return keys.filter((/** @type {Key} */ key) => key.kid && (key.use ?? "sig") === "sig");
  } catch {
    throw unreachable;
  }
}
