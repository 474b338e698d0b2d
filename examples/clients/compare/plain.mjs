// Values and errors of the client as plain JSON that is the same in every run.

import { createHash } from "node:crypto";
import { LibsqlBatchError } from "@libsql/client";

const LONGEST = 200;

/** @param {string | Uint8Array} value */
const sha256 = (value) => createHash("sha256").update(value).digest("hex");

/**
 * A value, with its type where JSON has none for it; a long one by its digest.
 * @param {unknown} value
 * @returns {unknown}
 */
export function plain(value) {
  if (typeof value === "bigint") return { bigint: value.toString() };
  if (typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0))) {
    return { number: Object.is(value, -0) ? "-0" : String(value) };
  }
  if (typeof value === "string" && value.length > LONGEST) {
    return { text: value.length, sha256: sha256(value) };
  }
  if (value instanceof ArrayBuffer) {
    const bytes = new Uint8Array(value);
    if (bytes.length > LONGEST) return { blob: bytes.length, sha256: sha256(bytes) };
    return { blob: Buffer.from(bytes).toString("hex") };
  }
  return value ?? null;
}

/** @param {import("@libsql/client").ResultSet} result */
export function plainResult(result) {
  return {
    columns: result.columns,
    columnTypes: result.columnTypes,
    rows: result.rows.map((row) => Array.from(row, plain)),
    rowsAffected: result.rowsAffected,
    lastInsertRowid: plain(result.lastInsertRowid),
  };
}

/**
 * What an action gives or throws.
 * @param {() => Promise<unknown>} action
 */
export async function outcome(action) {
  try {
    return { ok: plainAnswer(await action()) };
  } catch (error) {
    return { error: plainError(error) };
  }
}

/**
 * @param {unknown} answer
 * @returns {unknown}
 */
function plainAnswer(answer) {
  if (Array.isArray(answer)) return answer.map(plainAnswer);
  if (typeof answer === "object" && answer !== null && "rowsAffected" in answer) {
    return plainResult(/** @type {import("@libsql/client").ResultSet} */ (answer));
  }
  return plain(answer);
}

/** @param {unknown} thrown */
function plainError(thrown) {
  const error = /** @type {import("@libsql/client").LibsqlError} */ (thrown);
  return {
    name: error.name,
    code: error.code ?? null,
    message: error.message,
    ...(error instanceof LibsqlBatchError && { statementIndex: error.statementIndex }),
  };
}
