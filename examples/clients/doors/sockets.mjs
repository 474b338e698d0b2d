// Doors that are WebSockets.

import { insertSql, READ_SQL } from "./bodies.mjs";
import { seenSocket } from "./door.mjs";
import { binary } from "./grpc.mjs";
import { ask, askUntilRefused } from "./websocket.mjs";

/** @typedef {import("./door.mjs").Door} Door */
/** @typedef {import("./door.mjs").Site} Site */

/** Life of the token that expires under an open socket, and how late a refusal may come. */
const LIFE_SECONDS = 4;
const GRACE_MS = 3_000;

/** @param {Site} site @returns {Door[]} */
export function socketDoors(site) {
  const { url, own, other, ownHost, otherHost, bareHost, tokens, markers } = site;
  /**
   * @param {string} door
   * @param {import("./door.mjs").Expectation} expects
   * @param {Omit<Parameters<typeof ask>[1], "sql" | "tokens"> & {tokens?: (string | undefined)[], writes?: string}} how
   * @returns {Door}
   */
  const at = (door, expects, { tokens: given = [tokens.own], writes, ...how }) => ({
    door: `socket: ${door}`,
    expects,
    ...(writes && { writes }),
    open: async () => {
      const sql = writes ? insertSql(writes) : READ_SQL;
      return seenSocket(await ask(url, { ...how, tokens: given, sql }));
    },
  });
  /** @param {string} door */
  const writes = (door) => markers.text(`socket ${door}`);
  return [
    at("own", "allowed", { host: ownHost }),
    at("own, write", "allowed", { host: ownHost, writes: writes("own") }),
    at("own by /dev/", "allowed", { host: bareHost, path: `/dev/${own}/` }),
    at("own by x-namespace-bin", "allowed", { host: bareHost, headers: [["x-namespace-bin", binary(own)]] }),
    at("other's", "refused", { host: otherHost }),
    at("other's, write", "refused", { host: otherHost, writes: writes("other") }),
    at("other's by /dev/, own host", "refused", { host: ownHost, path: `/dev/${other}/` }),
    at("other's by /dev/", "refused", { host: bareHost, path: `/dev/${other}/` }),
    at("other's by x-namespace-bin, own host", "refused", { host: ownHost, headers: [["x-namespace-bin", binary(other)]] }),
    at("other's by x-namespace, own host", "refused", { host: ownHost, headers: [["x-namespace", other]] }),
    at("missing namespace", "refused", { host: `nobody-at-all.${ownHost.slice(own.length + 1)}` }),
    at("no hello", "refused", { host: ownHost, tokens: [], impatient: true }),
    at("hello without a token", "refused", { host: ownHost, tokens: [undefined] }),
    at("token without claims, other's", "refused", { host: otherHost, tokens: [tokens.withoutClaims] }),
    at("token without claims, own", "refused", { host: ownHost, tokens: [tokens.withoutClaims] }),
    at("good hello, then one without claims, other's", "refused", { host: otherHost, tokens: [tokens.own, tokens.withoutClaims] }),
    at("good hello, then one of a stranger", "refused", { host: ownHost, tokens: [tokens.own, tokens.forged] }),
    at("expired five seconds ago", "refused", { host: ownHost, tokens: [tokens.justExpired] }),
    at("not yet valid", "refused", { host: ownHost, tokens: [tokens.notYet] }),
    at("forged", "refused", { host: otherHost, tokens: [tokens.forged] }),
    at("read-only token, write", "refused", { host: ownHost, tokens: [tokens.readOnly], writes: writes("read-only") }),
    at("good token in the header, none in the hello", "refused", { host: ownHost, tokens: [undefined], headers: [["Authorization", `Bearer ${tokens.own}`]] }),
    at("from a stranger's page", "harmless", { host: ownHost, headers: [["Origin", "http://evil.example"]] }),
    {
      door: "socket: stays open when the token expires",
      expects: "refused",
      good: ({ failed, status }) => failed === true && status === 101,
      open: async () => {
        const end = Date.now() + LIFE_SECONDS * 1000;
        const { answered, refusedAt } = await askUntilRefused(url, {
          host: ownHost,
          token: tokens.brief(LIFE_SECONDS),
          sql: READ_SQL,
          until: end + GRACE_MS,
        });
        // It counts only when it worked before.
        const worked = answered > 0;
        const note = refusedAt ? "refused after it had worked" : "still answered after its end";
        return { status: worked ? 101 : 0, text: "", failed: refusedAt !== undefined, note: worked ? note : "never worked" };
      },
    },
  ];
}
