// What the doors send: SQL in each of the server's protocols.

/** @param {string} text a plain text without quotes */
export const insertSql = (text) => `INSERT INTO doors_marker (text) VALUES ('${text}')`;

export const READ_SQL = "SELECT text FROM doors_marker";

/** @param {string} sql */
const json = (sql) => ({
  pipeline: { requests: [{ type: "execute", stmt: { sql } }, { type: "close" }] },
  sequence: { requests: [{ type: "sequence", sql }, { type: "close" }] },
  batch: { requests: [{ type: "batch", batch: { steps: [{ stmt: { sql } }] } }, { type: "close" }] },
  describe: { requests: [{ type: "describe", sql }, { type: "close" }] },
  stored: {
    requests: [
      { type: "store_sql", sql_id: 1, sql },
      { type: "execute", stmt: { sql_id: 1 } },
      { type: "close" },
    ],
  },
  cursor: { batch: { steps: [{ stmt: { sql } }] } },
  v1Execute: { stmt: { sql } },
  v1Batch: { batch: { steps: [{ stmt: { sql, want_rows: true } }] } },
  statements: { statements: [sql] },
});

/** @param {string} sql @param {keyof ReturnType<typeof json>} form */
export const jsonBody = (sql, form = "pipeline") => JSON.stringify(json(sql)[form]);

/** @param {number} number */
export function varint(number) {
  const bytes = [];
  for (let rest = number; ; rest >>>= 7) {
    if (rest < 0x80) return Buffer.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/**
 * A protobuf field that has a length.
 * @param {number} field
 * @param {Buffer | string} value
 */
export function delimited(field, value) {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint((field << 3) | 2), varint(bytes.length), bytes]);
}

/** Hrana 3, protobuf: a pipeline of one execute. @param {string} sql */
export function protobufPipeline(sql) {
  // PipelineReqBody.requests = 2, StreamRequest.execute = 2, ExecuteStreamReq.stmt = 1,
  // Stmt.sql = 1, Stmt.want_rows = 5.
  const statement = Buffer.concat([delimited(1, sql), Buffer.from([0x28, 1])]);
  return delimited(2, delimited(2, delimited(1, statement)));
}

/** Hrana 3, protobuf: a cursor over one statement. @param {string} sql */
export function protobufCursor(sql) {
  // CursorReqBody.batch = 2, Batch.steps = 1, BatchStep.stmt = 2.
  const statement = Buffer.concat([delimited(1, sql), Buffer.from([0x28, 1])]);
  return delimited(2, delimited(1, delimited(2, statement)));
}
