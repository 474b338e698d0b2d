// Doors that differ in the token: what it says, what it lacks, how it is sent.

import { insertSql, jsonBody } from "./bodies.mjs";
import { bearer, header, JSON_TYPE, READ, seen, write } from "./door.mjs";
import { send } from "./wire.mjs";

/** @typedef {import("./door.mjs").Door} Door */
/** @typedef {import("./door.mjs").Site} Site */
/** @typedef {import("./door.mjs").Headers} Headers */

/** @param {Site} site @returns {Door[]} */
export function rightDoors(site) {
  return [...strangeTokens(site), ...limitedRights(site), ...waysToSend(site), enumeration(site), ...pages(site)];
}

/** @param {Site} site @returns {Door[]} */
function strangeTokens({ url, ownHost, otherHost, tokens, issuer }) {
  /** @type {[string, string, import("./door.mjs").Expectation, import("./door.mjs").Expectation][]} */
  const tried = [
    // name, token, at her own namespace, at the other's
    ["expired an hour ago", tokens.expired, "refused", "refused"],
    ["expired five seconds ago", tokens.justExpired, "refused", "refused"],
    ["not yet valid", tokens.notYet, "refused", "refused"],
    ["without claims", tokens.withoutClaims, "refused", "refused"],
    ["a: rw, no namespace", tokens.writesAll, "refused", "refused"],
    ["empty p", tokens.emptyClaims, "refused", "refused"],
    ["by tag", tokens.byTag, "refused", "refused"],
    ["p of own and id of the other's", tokens.claimsAndId, "harmless", "refused"],
    ["id of own", tokens.byId, "harmless", "refused"],
    ["with an audience", tokens.withAudience, "refused", "refused"],
    ["of another issuer", tokens.otherIssuer, issuer ? "refused" : "harmless", "refused"],
    ["forged", tokens.forged, "refused", "refused"],
    ["alg none", tokens.none, "refused", "refused"],
    ["HS256 with the public key", tokens.hs256, "refused", "refused"],
    ["garbage", "no.real.token", "refused", "refused"],
    ["oversized", `${"x".repeat(48 * 1024)}.x.x`, "refused", "refused"],
    ["the other's own", tokens.other, "refused", "allowed"],
  ];
  const doors = tried.flatMap(([name, token, own, other]) => {
    /** @param {string} host */
    const open = (host) => async () =>
      seen(await send(url, { path: "/v2/pipeline", headers: [["Host", host], bearer(token), JSON_TYPE], body: READ }));
    /** @type {Door[]} */
    const pair = [{ door: `token ${name}: own`, expects: own, open: open(ownHost) }];
    // The other's own token at the other's place is no door of hers.
    if (other !== "allowed") pair.push({ door: `token ${name}: other's`, expects: other, open: open(otherHost) });
    return pair;
  });
  return doors;
}

/** @param {Site} site @returns {Door[]} */
function limitedRights({ url, own, other, ownHost, otherHost, bareHost, tokens, markers }) {
  /**
   * @param {string} door
   * @param {string} token
   * @param {string} host
   * @param {string} path
   * @param {(text: string) => string} body
   * @returns {Door}
   */
  const writing = (door, token, host, path, body) => {
    const writes = markers.text(door);
    return {
      door,
      expects: "refused",
      writes,
      open: async () => seen(await send(url, { path, headers: [["Host", host], bearer(token), JSON_TYPE], body: body(writes) })),
    };
  };
  const { readOnly, readsOther } = tokens;
  /** @param {Parameters<typeof jsonBody>[1]} form */
  const as = (form) => (/** @type {string} */ text) => jsonBody(insertSql(text), form);
  /** @type {Door[]} */
  const reads = [
    {
      door: "read-only token: reads own",
      expects: "allowed",
      open: async () => seen(await send(url, { path: "/v2/pipeline", headers: [["Host", ownHost], bearer(readOnly), JSON_TYPE], body: READ })),
    },
    {
      door: "read-only token: reads the other's",
      expects: "refused",
      open: async () => seen(await send(url, { path: "/v2/pipeline", headers: [["Host", otherHost], bearer(readOnly), JSON_TYPE], body: READ })),
    },
  ];
  return [
    ...reads,
    writing("read-only token: pipeline", readOnly, ownHost, "/v2/pipeline", write),
    writing("read-only token: sequence", readOnly, ownHost, "/v2/pipeline", as("sequence")),
    writing("read-only token: batch", readOnly, ownHost, "/v3/pipeline", as("batch")),
    writing("read-only token: stored statement", readOnly, ownHost, "/v2/pipeline", as("stored")),
    writing("read-only token: cursor", readOnly, ownHost, "/v3/cursor", as("cursor")),
    writing("read-only token: v1", readOnly, ownHost, "/v1/execute", as("v1Execute")),
    writing("read-only token: v0", readOnly, ownHost, "/", as("statements")),
    writing("read-only token: /dev/own", readOnly, bareHost, `/dev/${own}/v2/pipeline`, write),
    writing("read-only token: a write in a query", readOnly, ownHost, "/v2/pipeline", (text) =>
      jsonBody(`WITH t AS (SELECT '${text}' AS text) INSERT INTO doors_marker (text) SELECT text FROM t RETURNING text`)),
    writing("reader of the other's: writes there", readsOther, otherHost, "/v2/pipeline", write),
    writing("reader of the other's: writes by /dev/, own host", readsOther, ownHost, `/dev/${other}/v2/pipeline`, write),
    writing("reader of the other's: writes by /dev/", readsOther, bareHost, `/dev/${other}/v2/pipeline`, write),
    writing("own token: ATTACH of the other's", tokens.own, ownHost, "/v2/pipeline", (text) =>
      jsonBody(`ATTACH '${other}' AS o; INSERT INTO o.doors_marker (text) VALUES ('${text}')`, "sequence")),
    {
      door: "own token: ATTACH and read",
      expects: "refused",
      open: async () => {
        const statements = { requests: [`ATTACH "${other}" AS o`, "SELECT text FROM o.doors_marker"].map((sql) => ({ type: "execute", stmt: { sql } })) };
        return seen(await send(url, { path: "/v2/pipeline", headers: [["Host", ownHost], bearer(tokens.own), JSON_TYPE], body: JSON.stringify(statements) }));
      },
    },
  ];
}

/** @param {Site} site @returns {Door[]} */
function waysToSend({ url, ownHost, otherHost, tokens }) {
  /**
   * @param {string} door
   * @param {import("./door.mjs").Expectation} expects
   * @param {Headers} headers
   * @param {string} [path]
   * @returns {Door}
   */
  const at = (door, expects, headers, path = "/v2/pipeline") => ({
    door: `credentials: ${door}`,
    expects,
    open: async () => seen(await send(url, { path, headers: [...headers, JSON_TYPE], body: READ })),
  });
  /** @type {[string, string]} */
  const own = ["Host", ownHost];
  /** @type {[string, string]} */
  const other = ["Host", otherHost];
  return [
    at("none, own", "refused", [own]),
    at("none, other's", "refused", [other]),
    at("empty", "refused", [own, ["Authorization", ""]]),
    at("no scheme", "refused", [own, ["Authorization", tokens.own]]),
    at("basic", "refused", [own, ["Authorization", `Basic ${tokens.own}`]]),
    at("small letters", "harmless", [own, ["authorization", `bearer ${tokens.own}`]]),
    at("in the query", "refused", [own], `/v2/pipeline?authToken=${tokens.own}&jwt=${tokens.own}`),
    at("in a cookie", "refused", [own, ["Cookie", `token=${tokens.own}`]]),
    at("twice, hers first", "refused", [other, bearer(tokens.own), bearer(tokens.withoutClaims)]),
    at("twice, hers last", "refused", [other, bearer(tokens.withoutClaims), bearer(tokens.own)]),
    at("two in one header", "refused", [other, ["Authorization", `Bearer ${tokens.own}, Bearer ${tokens.withoutClaims}`]]),
    at("a second one in x-authorization", "refused", [other, bearer(tokens.own), ["x-authorization", `Bearer ${tokens.withoutClaims}`]]),
    at("full access for a replica", "refused", [other, ["x-proxy-authorization", '"FullAccess"']]),
  ];
}

/**
 * Without a token nobody learns which names exist.
 * @param {Site} site
 * @returns {Door}
 */
function enumeration({ url, own, ownHost, otherHost }) {
  return {
    door: "no token: existing and missing names look alike",
    expects: "refused",
    good: ({ note }) => note === "alike",
    open: async () => {
      const missing = `nobody-at-all.${ownHost.slice(own.length + 1)}`;
      const [here, there] = await Promise.all(
        [otherHost, missing].map((host) => send(url, { path: "/v2/pipeline", headers: [["Host", host], JSON_TYPE], body: READ })),
      );
      const alike = here?.status === there?.status && String(here?.body) === String(there?.body);
      return { status: here?.status ?? 0, text: "", note: alike ? "alike" : `missing: ${there?.status}` };
    },
  };
}

/** @param {Site} site @returns {Door[]} */
function pages({ url, ownHost, tokens, pageOrigin }) {
  const evil = "http://evil.example";
  /** @param {string} origin */
  const preflight = (origin) =>
    send(url, {
      method: "OPTIONS",
      path: "/v2/pipeline",
      headers: [
        ["Host", ownHost],
        ["Origin", origin],
        ["Access-Control-Request-Method", "POST"],
        ["Access-Control-Request-Headers", "authorization,content-type"],
      ],
    });
  /** @param {import("./wire.mjs").Reply} reply */
  const allowed = (reply) => {
    const origin = header(reply, "access-control-allow-origin");
    return { status: reply.status, text: "", note: `allow-origin ${origin || "-"}` };
  };
  return [
    {
      door: "page of a stranger: preflight",
      expects: "refused",
      good: ({ note }) => note === "allow-origin -",
      open: async () => allowed(await preflight(evil)),
    },
    {
      door: "page without an origin: preflight",
      expects: "refused",
      good: ({ note }) => note === "allow-origin -",
      open: async () => allowed(await preflight("null")),
    },
    {
      door: "page of a stranger: query",
      expects: "refused",
      good: ({ note }) => note === "allow-origin -",
      open: async () =>
        allowed(await send(url, { path: "/v2/pipeline", headers: [["Host", ownHost], ["Origin", evil], bearer(tokens.own), JSON_TYPE], body: READ })),
    },
    {
      door: "the own page: preflight",
      expects: "allowed",
      good: ({ note, text, status }) => status < 300 && note === `allow-origin ${pageOrigin}` && /authorization/i.test(text) && /content-type/i.test(text),
      open: async () => {
        const reply = await preflight(pageOrigin);
        return { ...allowed(reply), text: header(reply, "access-control-allow-headers") };
      },
    },
  ];
}
