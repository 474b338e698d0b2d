#!/usr/bin/env node
// Embedded replicas with the `libsql` npm package: sync, read, write, sync again. Prints JSON that
// is the same in every run.
//
// The package has no option for the namespace. It takes the first label of the URL's host, and
// sends it as `x-namespace-bin`; a path is sent too, but the name does not come from it. So the
// host must resolve: see README.md for `NS.localhost` on Linux. `http://127.0.0.1:PORT` works
// everywhere, for the namespace `127`.

import { lookup } from "node:dns/promises";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";

const USAGE = `Usage: DEMO_TOKEN=... embedded.mjs --url http://NS.localhost:PORT [--refused]

  --refused  the token must not open this namespace: exit 0 when nothing of it comes, else 1

Makes and drops a table embedded_check. Exit code: 0 all went well, 1 not so, 2 bad input,
3 the name does not resolve.
`;

/**
 * @param {string} message
 * @param {number} code
 * @returns {never}
 */
function fail(message, code) {
  console.error(`error: ${message}`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      options: {
        url: { type: "string" },
        refused: { type: "boolean", default: false },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return fail(`${/** @type {Error} */ (error).message}\n\n${USAGE}`, 2);
  }
}

/** The first line: what follows is a trace of the native code. @param {unknown} error */
const firstLine = (error) => String(/** @type {Error} */ (error).message).split("\n")[0]?.slice(0, 200);

const given = options();
if (given.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const url = given.url ?? fail(`--url is missing\n\n${USAGE}`, 2);
if (!URL.canParse(url)) fail(`--url ${url}: this is no URL`, 2);
const authToken = process.env.DEMO_TOKEN ?? fail("DEMO_TOKEN is not set", 2);
const { hostname } = new URL(url);
await lookup(hostname).catch(() =>
  fail(
    `${hostname} does not resolve here, and the native client asks the system\nhint: apt-get install libnss-myhostname, or a line in /etc/hosts`,
    3,
  ),
);

// Otherwise the native code logs to stdout, between our JSON. It reads this when it is loaded.
process.env.RUST_LOG ??= "off";
const { default: Database } = await import("libsql");

const folder = mkdtempSync(join(tmpdir(), "demo-embedded-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
/** @type {InstanceType<typeof Database>[]} */
const opened = [];

/** @param {string} name */
function replica(name) {
  // The package's types do not know `authToken` yet.
  const options = /** @type {import("libsql").Options} */ ({ syncUrl: url, authToken });
  const db = new Database(join(folder, `${name}.db`), options);
  opened.push(db);
  return db;
}

/** @param {InstanceType<typeof Database>} db */
const rows = (db) =>
  db
    .prepare("SELECT id, value, typeof(value) AS type FROM embedded_check ORDER BY id")
    .safeIntegers(true)
    .raw()
    .all()
    .map((row) => /** @type {unknown[]} */ (row).map(plain));

/** @param {unknown} value */
const plain = (value) =>
  typeof value === "bigint" ? value.toString() : Buffer.isBuffer(value) ? value.toString("hex") : value;

function story() {
  const one = replica("one");
  one.sync();
  one.exec("DROP TABLE IF EXISTS embedded_check");
  one.exec("CREATE TABLE embedded_check (id INTEGER PRIMARY KEY, value)");
  const insert = one.prepare("INSERT INTO embedded_check (value) VALUES (?)");
  for (const value of [null, 2n ** 63n - 1n, -(2n ** 63n), 1.5, "Grüße 🦀", Buffer.from([0, 1, 255])]) insert.run([value]);
  const ownWrites = rows(one);

  // Another replica has what the first has written: it went to the primary and came back.
  const two = replica("two");
  two.sync();
  const elsewhere = rows(two);
  one.exec("BEGIN; UPDATE embedded_check SET value = 'changed' WHERE id = 1; COMMIT");
  const beforeSync = rows(two)[0];
  two.sync();
  const afterSync = rows(two)[0];
  one.exec("BEGIN; DELETE FROM embedded_check; ROLLBACK");
  one.sync();
  const afterRollback = rows(one).length;
  one.exec("DROP TABLE embedded_check");
  return { ownWrites, elsewhere, beforeSync, afterSync, afterRollback };
}

/** What comes of a namespace that the token does not open. */
function refusal() {
  try {
    const db = replica("refused");
    db.sync();
    const tables = db.prepare("SELECT count(*) AS n FROM sqlite_schema").raw().get();
    return { refused: false, objects: tables };
  } catch (error) {
    return { refused: true, error: firstLine(error) };
  }
}

try {
  const result = given.refused ? refusal() : story();
  console.log(JSON.stringify(result, null, 2));
  if (given.refused && "refused" in result && !result.refused) process.exitCode = 1;
} catch (error) {
  fail(String(firstLine(error)), 1);
} finally {
  for (const db of opened) db.close();
}
