// What goes wrong, and under which code; and the life of a client.

import { outcome } from "./plain.mjs";

/** @typedef {import("./site.mjs").Site} Site */

/** @param {Site} site */
export async function errors({ db }) {
  await db.batch(
    [
      "CREATE TABLE compare_strict (id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n > 0), u TEXT UNIQUE) STRICT",
      "INSERT INTO compare_strict VALUES (1, 1, 'one')",
    ],
    "write",
  );
  /** @param {string} sql */
  const run = (sql) => outcome(() => db.execute(sql));
  return {
    syntax: await run("SELEC 1"),
    empty: await run(""),
    commentOnly: await run("-- nothing"),
    twoStatements: await run("SELECT 1; SELECT 2"),
    noTable: await run("SELECT * FROM compare_nobody"),
    noColumn: await run("SELECT nobody FROM compare_strict"),
    noFunction: await run("SELECT nobody(1)"),
    unique: await run("INSERT INTO compare_strict VALUES (2, 2, 'one')"),
    primaryKey: await run("INSERT INTO compare_strict VALUES (1, 2, 'two')"),
    notNull: await run("INSERT INTO compare_strict VALUES (2, NULL, 'two')"),
    check: await run("INSERT INTO compare_strict VALUES (2, -1, 'two')"),
    type: await run("INSERT INTO compare_strict VALUES (2, 'text', 'two')"),
    overflow: await run("SELECT abs(-9223372036854775807 - 1)"),
    json: await run("SELECT json('{')"),
    attach: await run("ATTACH 'other' AS other"),
    vacuum: await run("VACUUM"),
    pragma: await run("PRAGMA journal_mode = DELETE"),
    tooLargeRow: await run("SELECT randomblob(6 * 1024 * 1024)"),
    commitWithout: await run("COMMIT"),
    stillWell: await run("SELECT count(*) FROM compare_strict"),
  };
}

/** @param {Site} site */
export async function clients(site) {
  const closed = site.open();
  closed.close();
  const stranger = site.open({ authToken: "no.real.token" });
  const nobody = site.open({ authToken: undefined });
  const back = site.open();
  try {
    return {
      protocol: site.db.protocol,
      closed: closed.closed,
      afterClose: await outcome(() => closed.execute("SELECT 1")),
      sync: await outcome(async () => site.db.sync()),
      reconnect: await outcome(async () => {
        await back.execute("SELECT 1");
        await back.reconnect();
        return back.execute("SELECT 2");
      }),
      // Refused by whoever is asked first, each in words of its own: only the fact counts.
      badToken: "error" in (await outcome(() => stranger.execute("SELECT 1"))),
      noToken: "error" in (await outcome(() => nobody.execute("SELECT 1"))),
    };
  } finally {
    for (const client of [stranger, nobody, back]) client.close();
  }
}
