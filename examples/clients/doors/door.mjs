// What a door is, and how it is judged.

import { insertSql, jsonBody, READ_SQL } from "./bodies.mjs";
import { headerOf } from "./wire.mjs";

/** @typedef {import("./wire.mjs").Headers} Headers */

/**
 * What may happen at a door.
 * - `allowed`: she gets what is hers
 * - `refused`: an error, and nothing of anybody
 * - `harmless`: an error, or what is hers; nothing of the other's
 * @typedef {"allowed" | "refused" | "harmless"} Expectation
 */

/**
 * @typedef {object} Seen
 * @property {number} status of HTTP; 101 for a socket that was opened; 0 for none
 * @property {string} text all that came back
 * @property {boolean} [failed] the protocol says so inside a good status
 * @property {string} [note] what else there is to say
 */

/**
 * @typedef {object} Door
 * @property {string} door
 * @property {Expectation} expects
 * @property {() => Promise<Seen>} open
 * @property {string} [writes] the text that it would leave behind
 * @property {(seen: Seen) => boolean} [good] instead of the usual look at markers
 */

/**
 * All that the catalogues of doors need.
 * @typedef {object} Site
 * @property {URL} url
 * @property {string} own
 * @property {string} other
 * @property {string} ownHost the name alone
 * @property {string} otherHost
 * @property {string} bareHost one that names no namespace
 * @property {import("./tokens.mjs").Tokens} tokens
 * @property {string} pageOrigin
 * @property {string} [issuer] the one that tokens must have, where one is asked for
 * @property {Markers} markers
 */

/** @typedef {{own: string, other: string, text: (door: string) => string}} Markers */

/** @param {string} token @returns {[string, string]} */
export const bearer = (token) => ["Authorization", `Bearer ${token}`];

/** @type {[string, string]} */
export const JSON_TYPE = ["Content-Type", "application/json"];

/** The JSON pipeline that reads the marker. */
export const READ = jsonBody(READ_SQL);

/** @param {string} text */
export const write = (text) => jsonBody(insertSql(text));

/** @param {import("./wire.mjs").Reply} reply @returns {Seen} */
export function seen(reply) {
  const text = reply.raw.toString("latin1");
  // A cursor that is refused ends after its first line, without a word of why.
  const mute = /^\{"baton":[^\n]*\}\n*$/.test(reply.body.toString("latin1")) && !/"results"/.test(text);
  const failed = mute || /"type":"(step_)?error"|"error":\{"message"/.test(text) || reply.status === 0;
  return { status: reply.status, text, failed };
}

/** @param {import("./grpc.mjs").GrpcReply} reply @returns {Seen} */
export function seenGrpc(reply) {
  const text = Buffer.concat([reply.raw, ...reply.messages]).toString("latin1");
  // An answer without a message is none, whatever its status says.
  const failed = (reply.grpc !== undefined && reply.grpc !== "0") || reply.messages.length === 0;
  return { status: reply.status, text, failed, note: `grpc ${reply.grpc ?? "-"}` };
}

/** @param {import("./websocket.mjs").SocketReply} reply @returns {Seen} */
export function seenSocket({ status, closed, text }) {
  // A socket that says nothing of the query has refused it.
  const failed = status !== 101 || !/"type":"response_ok","request_id":2/.test(compact(text));
  return { status, text, failed, note: `close ${closed ?? "-"}` };
}

/** The order of members is the server's own affair. @param {string} lines */
function compact(lines) {
  return lines
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const { type, request_id: id } = JSON.parse(line);
      return JSON.stringify({ type, request_id: id });
    })
    .join("\n");
}

const WRONG = { allowed: "shut, though hers", refused: "open", harmless: "open" };

/**
 * @param {Door} door
 * @param {Seen} result
 * @param {Markers} markers
 * @param {{own: Set<string>, other: Set<string>}} left the texts in both namespaces after all doors
 */
export function judge({ door, expects, writes, good }, result, markers, left) {
  const intoOther = result.text.includes(markers.other) || (writes !== undefined && left.other.has(writes));
  const intoOwn = result.text.includes(markers.own) || (writes !== undefined && left.own.has(writes));
  const error = result.status >= 400 || result.failed === true;
  let verdict;
  if (good) verdict = good(result) ? "as expected" : WRONG[expects];
  else if (intoOther) verdict = "INTO THE OTHER'S";
  else if (expects === "allowed") verdict = intoOwn && !error ? "as expected" : WRONG.allowed;
  else if (expects === "harmless") verdict = "as expected";
  else if (intoOwn) verdict = WRONG.refused;
  else verdict = error ? "as expected" : "not refused";
  return {
    door,
    expects,
    status: result.status,
    ...(result.note && { note: result.note }),
    verdict,
    intoOther: intoOther && !good,
  };
}

/** @param {import("./wire.mjs").Reply} reply @param {string} name */
export const header = (reply, name) => headerOf(reply, name) ?? "";
