// The gRPC-web calls of embedded replicas, byte by byte.

import { randomUUID } from "node:crypto";
import { delimited, varint } from "./bodies.mjs";
import { headerOf, send } from "./wire.mjs";

/** @typedef {import("./wire.mjs").Headers} Headers */
/** @typedef {import("./wire.mjs").Reply & {grpc: string | undefined, messages: Buffer[]}} GrpcReply */

/** The name of a namespace as gRPC metadata has it. @param {string | Buffer} name */
export const binary = (name) => Buffer.from(name).toString("base64").replace(/=+$/, "");

/**
 * @param {URL} to
 * @param {string} method such as `/wal_log.ReplicationLog/Hello`
 * @param {Headers} headers
 * @param {Buffer} message
 * @returns {Promise<GrpcReply>}
 */
export async function call(to, method, headers, message) {
  const frame = Buffer.alloc(5);
  frame.writeUInt32BE(message.length, 1);
  const reply = await send(to, {
    path: method,
    headers: [...headers, ["Content-Type", "application/grpc-web+proto"], ["X-Grpc-Web", "1"]],
    body: Buffer.concat([frame, message]),
  });
  let grpc = headerOf(reply, "grpc-status");
  const messages = [];
  for (let at = 0; at + 5 <= reply.body.length; ) {
    const length = reply.body.readUInt32BE(at + 1);
    const part = reply.body.subarray(at + 5, at + 5 + length);
    if ((reply.body[at] ?? 0) & 0x80) grpc = /grpc-status:\s*(\d+)/i.exec(part.toString("latin1"))?.[1] ?? grpc;
    else messages.push(part);
    at += 5 + length;
  }
  return { ...reply, grpc, messages };
}

/** As many frames as one answer holds, and a few less. */
const LAST_FRAMES = 1000;

/**
 * Says hello, and asks for the end of the log when the answer brings a session.
 * @param {URL} to
 * @param {Headers} headers
 */
export async function replicate(to, headers) {
  const hello = await call(to, "/wal_log.ReplicationLog/Hello", headers, Buffer.from([0x08, 0x01]));
  const found = hello.messages[0] && fields(hello.messages[0]);
  const session = found?.get(4);
  if (!Buffer.isBuffer(session)) return hello;
  const offset = Math.max(0, Number(found?.get(5) ?? 0) - LAST_FRAMES);
  return call(
    to,
    "/wal_log.ReplicationLog/BatchLogEntries",
    [...headers, ["x-session-token", session.toString("latin1")]],
    Buffer.concat([Buffer.from([0x08]), varint(offset)]),
  );
}

/**
 * Runs SQL as an embedded replica does when it writes.
 * @param {URL} to
 * @param {Headers} headers
 * @param {string} sql
 */
export function execute(to, headers, sql) {
  const query = Buffer.concat([delimited(1, sql), delimited(2, "")]);
  const program = delimited(1, delimited(2, query));
  const message = Buffer.concat([delimited(1, randomUUID()), delimited(2, program)]);
  return call(to, "/proxy.Proxy/Execute", headers, message);
}

/**
 * The fields of a protobuf message: numbers, and bytes for what has a length.
 * @param {Buffer} message
 */
function fields(message) {
  /** @type {Map<number, number | Buffer>} */
  const found = new Map();
  let at = 0;
  const number = () => {
    let value = 0n;
    for (let shift = 0n; at < message.length; shift += 7n) {
      const byte = message[at++] ?? 0;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    return Number(value);
  };
  while (at < message.length) {
    const key = number();
    const wire = key & 7;
    const value = number();
    if (wire === 0) found.set(key >> 3, value);
    else if (wire === 2) {
      found.set(key >> 3, message.subarray(at, at + value));
      at += value;
    } else break;
  }
  return found;
}
