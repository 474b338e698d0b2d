#!/usr/bin/env node
// Alice, who holds a good token for her own namespace, tries every door into Bob's, and the
// doors that should be shut to anybody. Run it against the gate; run against the server itself
// it shows the holes.

import { createPrivateKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { insertSql, READ_SQL } from "./doors/bodies.mjs";
import { bearer, JSON_TYPE, judge } from "./doors/door.mjs";
import { endpointDoors } from "./doors/endpoints.mjs";
import { nameDoors } from "./doors/names.mjs";
import { rightDoors } from "./doors/rights.mjs";
import { socketDoors } from "./doors/sockets.mjs";
import { makeTokens } from "./doors/tokens.mjs";
import { send } from "./doors/wire.mjs";

/** @typedef {import("./doors/door.mjs").Site} Site */

const USAGE = `Usage: doors.mjs --url http://127.0.0.1:PORT --own NS --other NS --key FILE [--issuer NAME]
                 [--domain localhost] [--origin URL] [--only TEXT]

Tries every door and prints JSON: what was expected, what was seen, the verdict.
Both namespaces must exist; a table doors_marker is made in both, and dropped at the end.

  --key     the private key that signs database tokens: the script makes its own tokens, good
            and strange. DOORS_OWN_TOKEN and DOORS_OTHER_TOKEN replace the two good ones
  --issuer  the claim iss of these tokens
  --origin  the page that may call [default: http://127.0.0.1:18093]
  --only    only doors whose name contains TEXT

Exit code: 0 all as expected, 1 not so, 2 bad input, 3 nothing answers.
`;

/**
 * @param {string} message
 * @param {number} [code]
 * @returns {never}
 */
function fail(message, code = 2) {
  console.error(`error: ${message}${code === 2 ? `\n\n${USAGE}` : ""}`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      options: {
        url: { type: "string" },
        own: { type: "string" },
        other: { type: "string" },
        key: { type: "string" },
        issuer: { type: "string" },
        domain: { type: "string", default: "localhost" },
        origin: { type: "string", default: "http://127.0.0.1:18093" },
        only: { type: "string", default: "" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return fail(/** @type {Error} */ (error).message);
  }
}

/** @param {string | undefined} file */
function privateKey(file) {
  if (!file) return fail("--key is missing");
  try {
    return createPrivateKey(readFileSync(file));
  } catch (error) {
    return fail(`--key ${file}: ${/** @type {Error} */ (error).message}`);
  }
}

/** @returns {Site} */
function site() {
  const given = options();
  if (given.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  const { own, other, domain } = given;
  if (!own || !other || own === other) return fail("--own and --other are two namespaces");
  if (!given.url || !URL.canParse(given.url) || !given.url.startsWith("http:")) return fail("--url is an http: URL");
  const tokens = makeTokens({ key: privateKey(given.key), own, other, issuer: given.issuer });
  const run = randomUUID();
  return {
    url: new URL(given.url),
    own,
    other,
    ownHost: `${own}.${domain}`,
    otherHost: `${other}.${domain}`,
    bareHost: domain,
    pageOrigin: given.origin,
    issuer: given.issuer,
    tokens: {
      ...tokens,
      own: process.env.DOORS_OWN_TOKEN || tokens.own,
      other: process.env.DOORS_OTHER_TOKEN || tokens.other,
    },
    // Made anew each time, so that nothing of an earlier run is taken for this one's.
    markers: {
      own: `own-${run}`,
      other: `other-${run}`,
      text: (door) => `wrote-${run.slice(0, 8)}-${door.replace(/[^a-z0-9]+/gi, "-")}`,
    },
  };
}

/**
 * Runs SQL where it is allowed, and fails loudly: without it no verdict would mean anything.
 * @param {Site} at
 * @param {"own" | "other"} whose
 * @param {string[]} statements
 * @returns {Promise<unknown[][][]>} the rows of each
 */
async function run(at, whose, statements) {
  const host = whose === "own" ? at.ownHost : at.otherHost;
  const requests = statements.map((sql) => ({ type: "execute", stmt: { sql } }));
  const reply = await send(at.url, {
    path: "/v2/pipeline",
    headers: [["Host", host], bearer(at.tokens[whose]), JSON_TYPE],
    body: JSON.stringify({ requests: [...requests, { type: "close" }] }),
  });
  const text = reply.body.toString();
  if (reply.status !== 200 || text.includes('"type":"error"')) {
    throw new Error(`the ${whose} token cannot prepare ${host}: ${reply.status} ${text.slice(0, 300)}`);
  }
  const { results } = JSON.parse(text);
  return results.slice(0, -1).map((/** @type {any} */ one) =>
    one.response.result.rows.map((/** @type {any[]} */ row) => row.map(({ value }) => value)),
  );
}

/** @param {Site} at @param {"own" | "other"} whose @returns {Promise<Set<string>>} */
async function texts(at, whose) {
  const [rows] = await run(at, whose, [READ_SQL]);
  return new Set((rows ?? []).map(([text]) => String(text)));
}

/** @param {Site} at @param {string} only */
async function tryAll(at, only) {
  const sides = /** @type {const} */ (["own", "other"]);
  for (const whose of sides) {
    await run(at, whose, [
      "DROP TABLE IF EXISTS doors_marker",
      "CREATE TABLE doors_marker (text TEXT NOT NULL)",
      insertSql(at.markers[whose]),
    ]);
  }
  const doors = [...nameDoors(at), ...endpointDoors(at), ...rightDoors(at), ...socketDoors(at)].filter(({ door }) =>
    door.includes(only),
  );
  // One after the other: each verdict is then about its own door, whatever limits there are.
  const results = [];
  for (const door of doors) results.push({ door, seen: await door.open() });
  const left = { own: await texts(at, "own"), other: await texts(at, "other") };
  for (const whose of sides) await run(at, whose, ["DROP TABLE doors_marker"]);
  return results.map(({ door, seen }) => judge(door, seen, at.markers, left));
}

const at = site();
const results = await tryAll(at, options().only).catch((error) =>
  fail(error.code === "ECONNREFUSED" ? `nothing answers at ${at.url.origin}` : error.message, 3),
);
const wrong = results.filter(({ verdict }) => verdict !== "as expected");
const into = results.filter(({ intoOther }) => intoOther).map(({ door }) => door);
const summary = { doors: results.length, asExpected: results.length - wrong.length, wrong: wrong.length, intoOther: into };
console.log(JSON.stringify({ own: at.own, other: at.other, summary, doors: results }, null, 2));
process.exitCode = wrong.length > 0 || into.length > 0 ? 1 : 0;
