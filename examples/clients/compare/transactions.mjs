// Interactive transactions.

import { outcome } from "./plain.mjs";

/** @typedef {import("./site.mjs").Site} Site */

const ALL = "SELECT id, label FROM compare_tx ORDER BY id";

/** @param {Site} site */
export async function transactions(site) {
  const { db } = site;
  await db.execute("CREATE TABLE compare_tx (id INTEGER PRIMARY KEY, label TEXT UNIQUE)");
  /**
   * @param {import("@libsql/client").Transaction} tx
   * @param {string} label
   */
  const insert = (tx, label) => tx.execute("INSERT INTO compare_tx (label) VALUES (?)", [label]);
  /**
   * @param {"write" | "read" | "deferred"} mode
   * @param {(tx: import("@libsql/client").Transaction) => Promise<Record<string, unknown>>} play
   */
  async function within(mode, play) {
    const tx = await db.transaction(mode);
    try {
      return await play(tx);
    } finally {
      tx.close();
    }
  }

  return {
    commit: await within("write", async (tx) => ({
      first: await outcome(() => insert(tx, "a")),
      own: await outcome(() => tx.execute(ALL)),
      batch: await outcome(() => tx.batch(["INSERT INTO compare_tx (label) VALUES ('b')", ALL])),
      script: await outcome(() => tx.executeMultiple("INSERT INTO compare_tx (label) VALUES ('c'); SELECT 1;")),
      commit: await outcome(() => tx.commit()),
      closed: tx.closed,
      late: await outcome(() => insert(tx, "late")),
    })),
    rollback: await within("write", async (tx) => ({
      first: await outcome(() => insert(tx, "gone")),
      rollback: await outcome(() => tx.rollback()),
      again: await outcome(() => tx.rollback()),
      late: await outcome(() => tx.commit()),
    })),
    isolation: await within("write", async (tx) => ({
      first: await outcome(() => insert(tx, "hidden")),
      // Another connection does not see it before the commit, and does not wait for it.
      outside: await outcome(async () => {
        const other = site.open();
        try {
          return await other.execute(ALL);
        } finally {
          other.close();
        }
      }),
      rollback: await outcome(() => tx.rollback()),
    })),
    errorInside: await within("write", async (tx) => ({
      first: await outcome(() => insert(tx, "d")),
      twice: await outcome(() => insert(tx, "a")),
      goesOn: await outcome(() => insert(tx, "e")),
      commit: await outcome(() => tx.commit()),
    })),
    deferred: await within("deferred", async (tx) => ({
      read: await outcome(() => tx.execute("SELECT count(*) FROM compare_tx")),
      write: await outcome(() => insert(tx, "f")),
      commit: await outcome(() => tx.commit()),
    })),
    read: await within("read", async (tx) => ({
      read: await outcome(() => tx.execute("SELECT count(*) FROM compare_tx")),
      write: await outcome(() => insert(tx, "never")),
      commit: await outcome(() => tx.commit()),
    })),
    savepoints: await within("write", async (tx) => ({
      steps: await outcome(() =>
        tx.batch(["SAVEPOINT s", "INSERT INTO compare_tx (label) VALUES ('undone')", "ROLLBACK TO s", "RELEASE s"]),
      ),
      commit: await outcome(() => tx.commit()),
    })),
    large: await within("write", async (tx) => ({
      insert: await outcome(() => insert(tx, "x".repeat(1024 * 1024))),
      length: await outcome(() => tx.execute("SELECT max(length(label)) FROM compare_tx")),
      rollback: await outcome(() => tx.rollback()),
    })),
    untouched: await within("write", async (tx) => ({ commit: await outcome(() => tx.commit()) })),
    closedWithoutEnd: await within("write", async (tx) => ({ first: await outcome(() => insert(tx, "dropped")) })),
    left: await outcome(() => db.execute(ALL)),
  };
}
