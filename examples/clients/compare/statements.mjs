// Batches, migrations, scripts, and many statements at once.

import { outcome } from "./plain.mjs";

/** @typedef {import("./site.mjs").Site} Site */

const TABLE = "CREATE TABLE compare_batch (id INTEGER PRIMARY KEY, label TEXT NOT NULL UNIQUE)";
const ALL = "SELECT id, label FROM compare_batch ORDER BY id";

/** @param {Site} site */
export async function batches({ db }) {
  await db.execute(TABLE);
  /** @param {string} label */
  const insert = (label) => ({ sql: "INSERT INTO compare_batch (label) VALUES (?)", args: [label] });
  return {
    write: await outcome(() => db.batch([insert("a"), insert("b"), ALL], "write")),
    deferred: await outcome(() => db.batch([ALL, insert("c")], "deferred")),
    withoutMode: await outcome(() => db.batch([insert("d"), "SELECT changes()"])),
    read: await outcome(() => db.batch([ALL, "SELECT count(*) FROM compare_batch"], "read")),
    readThatWrites: await outcome(() => db.batch([insert("never")], "read")),
    pairs: await outcome(() => db.batch([["INSERT INTO compare_batch (label) VALUES (:l)", { l: "e" }]], "write")),
    empty: await outcome(() => db.batch([], "write")),
    failsInTheMiddle: await outcome(() => db.batch([insert("f"), insert("a"), insert("g")], "write")),
    failsToParse: await outcome(() => db.batch([insert("f"), "SELEC 1"], "write")),
    afterFailures: await outcome(() => db.execute(ALL)),
    twoHundred: await outcome(async () => {
      const done = await db.batch(Array.from({ length: 200 }, (_, i) => insert(`n${i}`)), "write");
      return done.reduce((sum, { rowsAffected }) => sum + rowsAffected, 0);
    }),
    commitsByItself: await outcome(() => db.batch([insert("h"), "COMMIT", insert("i")], "write")),
    afterAll: await outcome(() => db.execute("SELECT count(*), min(label), max(label) FROM compare_batch")),
  };
}

/** @param {Site} site */
export async function migrations({ db }) {
  await db.batch(
    [
      "CREATE TABLE compare_parent (id INTEGER PRIMARY KEY)",
      "CREATE TABLE compare_child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES compare_parent (id))",
      "INSERT INTO compare_parent VALUES (1)",
      "INSERT INTO compare_child VALUES (10, 1)",
    ],
    "write",
  );
  return {
    keysAreChecked: await outcome(() => db.execute("INSERT INTO compare_child VALUES (11, 99)")),
    // The parent is made anew under its children, which only works with foreign keys off.
    migrate: await outcome(() =>
      db.migrate([
        "CREATE TABLE compare_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL DEFAULT 'none')",
        "INSERT INTO compare_new (id) SELECT id FROM compare_parent",
        "DROP TABLE compare_parent",
        "ALTER TABLE compare_new RENAME TO compare_parent",
        { sql: "INSERT INTO compare_parent VALUES (?, ?)", args: [2, "second"] },
      ]),
    ),
    keysAreCheckedAgain: await outcome(() => db.execute("INSERT INTO compare_child VALUES (11, 99)")),
    parent: await outcome(() => db.execute("SELECT * FROM compare_parent ORDER BY id")),
    child: await outcome(() => db.execute("SELECT * FROM compare_child ORDER BY id")),
    failed: await outcome(() =>
      db.migrate(["ALTER TABLE compare_parent ADD COLUMN extra TEXT", "ALTER TABLE compare_nobody ADD COLUMN extra"]),
    ),
    afterFailure: await outcome(() => db.execute("SELECT * FROM compare_parent ORDER BY id")),
  };
}

/** @param {Site} site */
export async function scripts({ db }) {
  return {
    script: await outcome(() =>
      db.executeMultiple(`
        CREATE TABLE compare_script (id INTEGER PRIMARY KEY, note TEXT); -- a comment; with a semicolon
        INSERT INTO compare_script (note) VALUES ('one;two'), ('three');
        CREATE TRIGGER compare_touch AFTER INSERT ON compare_script BEGIN
          UPDATE compare_script SET note = upper(note) WHERE id = new.id;
        END;
        INSERT INTO compare_script (note) VALUES ('four');
      `),
    ),
    rows: await outcome(() => db.execute("SELECT * FROM compare_script ORDER BY id")),
    failsInTheMiddle: await outcome(() =>
      db.executeMultiple(
        "INSERT INTO compare_script (note) VALUES ('kept'); INSERT INTO compare_nobody VALUES (1); INSERT INTO compare_script (note) VALUES ('never');",
      ),
    ),
    rollsBack: await outcome(() =>
      db.executeMultiple("BEGIN; INSERT INTO compare_script (note) VALUES ('gone'); ROLLBACK;"),
    ),
    empty: await outcome(() => db.executeMultiple("")),
    after: await outcome(() => db.execute("SELECT * FROM compare_script ORDER BY id")),
  };
}

/** @param {Site} site */
export async function concurrency(site) {
  await site.db.execute("CREATE TABLE compare_many (id INTEGER PRIMARY KEY)");
  const db = site.open({ concurrency: 16 });
  try {
    const written = await Promise.all(
      Array.from({ length: 64 }, (_, id) =>
        outcome(() => db.execute("INSERT INTO compare_many VALUES (?)", [id])),
      ),
    );
    return {
      failed: written.filter((one) => "error" in one),
      stored: await outcome(() => db.execute("SELECT count(*), sum(id) FROM compare_many")),
    };
  } finally {
    db.close();
  }
}
