// Every type of value, there and back.

import { createHash } from "node:crypto";
import { outcome } from "./plain.mjs";

/** @typedef {import("./site.mjs").Site} Site */

const MAX = 2n ** 63n - 1n;
const MIN = -(2n ** 63n);
const MIB = 1024 * 1024;

/** @type {Record<string, any>} */
const VALUES = {
  null: null,
  zero: 0,
  minusZero: -0,
  one: 1,
  maxSafeInteger: Number.MAX_SAFE_INTEGER,
  minSafeInteger: Number.MIN_SAFE_INTEGER,
  bigintSmall: 7n,
  bigintMax: MAX,
  bigintMin: MIN,
  bigintTooLarge: MAX + 1n,
  float: 1.5,
  floatPi: Math.PI,
  floatTiny: 5e-324,
  floatHuge: Number.MAX_VALUE,
  infinity: Infinity,
  notANumber: NaN,
  true: true,
  false: false,
  date: new Date(0),
  emptyText: "",
  text: "it's \"quoted\", \\ and\nbroken",
  unicode: "Grüße, 世界 🦀 e\u0301 \u202eright to left",
  nulInText: "before\u0000after",
  emptyBlob: new Uint8Array(0),
  blob: Uint8Array.from({ length: 16 }, (_, i) => i * 17),
  arrayBuffer: new Uint8Array([1, 2, 3]).buffer,
  undefined: undefined,
};

/** @param {Site} site */
export async function values({ db }) {
  /** @type {Record<string, unknown>} */
  const seen = {};
  await db.execute("CREATE TABLE compare_values (name TEXT PRIMARY KEY, value)");
  for (const [name, value] of Object.entries(VALUES)) {
    const echoed = await outcome(() => db.execute({ sql: "SELECT ?1, typeof(?1)", args: [value] }));
    const stored = await outcome(() =>
      db.execute({ sql: "INSERT INTO compare_values VALUES (?, ?) RETURNING value", args: [name, value] }),
    );
    seen[name] = { echoed, stored };
  }
  seen.all = await outcome(() =>
    db.execute("SELECT name, value, typeof(value), length(value) FROM compare_values ORDER BY name"),
  );
  return seen;
}

/** @param {Site} site */
export async function integerModes(site) {
  /** @type {Record<string, unknown>} */
  const seen = {};
  for (const intMode of /** @type {const} */ (["number", "bigint", "string"])) {
    const db = site.open({ intMode });
    try {
      seen[intMode] = {
        small: await outcome(() => db.execute("SELECT 1, -1, 9007199254740991")),
        large: await outcome(() => db.execute(`SELECT ${MAX}, -${MAX} - 1`)),
      };
    } finally {
      db.close();
    }
  }
  return seen;
}

/** @param {Site} site */
export async function large({ db }) {
  const text = "0123456789abcdef".repeat(MIB / 16);
  const blob = Uint8Array.from({ length: MIB }, (_, i) => (i * 31) % 256);
  await db.execute("CREATE TABLE compare_large (id INTEGER PRIMARY KEY, value)");
  return {
    sent: { text: sha256(text), blob: sha256(blob) },
    text: await outcome(() => db.execute({ sql: "INSERT INTO compare_large VALUES (1, ?)", args: [text] })),
    blob: await outcome(() => db.execute({ sql: "INSERT INTO compare_large VALUES (2, ?)", args: [blob] })),
    back: await outcome(() => db.execute("SELECT id, typeof(value), length(value), value FROM compare_large ORDER BY id")),
    rows: await outcome(async () => {
      const found = await db.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) SELECT i, 'row ' || i FROM n",
      );
      return `${found.rows.length} rows, ${sha256(JSON.stringify(found.rows.map((row) => [row[0], row[1]])))}`;
    }),
    longStatement: await outcome(() => db.execute(`SELECT '${"x".repeat(MIB / 2)}' AS value`)),
    refused: await outcome(() => db.execute("SELECT zeroblob(11 * 1024 * 1024)")),
  };
}

/** @param {Site} site */
export async function arguments_({ db }) {
  return {
    positional: await outcome(() => db.execute("SELECT ?, ?, ?", [1, "two", null])),
    numbered: await outcome(() => db.execute("SELECT ?2, ?1, ?2", ["first", "second"])),
    namedColon: await outcome(() => db.execute({ sql: "SELECT :a, :b", args: { a: 1, b: "two" } })),
    namedAt: await outcome(() => db.execute({ sql: "SELECT @a, @b", args: { a: 1, b: "two" } })),
    namedDollar: await outcome(() => db.execute({ sql: "SELECT $a, $b", args: { a: 1, b: "two" } })),
    namedWithSign: await outcome(() => db.execute({ sql: "SELECT :a, @b", args: { ":a": 1, "@b": 2 } })),
    missing: await outcome(() => db.execute("SELECT ?, ?", [1])),
    missingNamed: await outcome(() => db.execute({ sql: "SELECT :a, :b", args: { a: 1 } })),
    tooMany: await outcome(() => db.execute("SELECT ?", [1, 2])),
    unknownName: await outcome(() => db.execute({ sql: "SELECT :a", args: { a: 1, nobody: 2 } })),
    sameColumnTwice: await outcome(() => db.execute("SELECT 1 AS a, 2 AS a, 3")),
    injection: await outcome(() => db.execute("SELECT ?", ["'; DROP TABLE compare_values; --"])),
  };
}

/** @param {string | Uint8Array} value */
const sha256 = (value) => createHash("sha256").update(value).digest("hex");
