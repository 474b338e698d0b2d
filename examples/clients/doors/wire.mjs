// HTTP/1.1 as bytes: what `fetch` will not send (any Host, headers twice, any path), the doors do.

import net from "node:net";

const DEADLINE_MS = 5_000;
const MOST_BYTES = 16 * 1024 * 1024;

/** @typedef {[string, string][]} Headers */

/**
 * @typedef {object} Reply
 * @property {number} status 0 when the connection ended without an answer
 * @property {string} head the raw head
 * @property {Buffer} body decoded, where it came in chunks
 * @property {Buffer} raw all that came
 */

/**
 * Sends bytes and reads until the other side ends or the deadline passes.
 * @param {URL} to
 * @param {Buffer} bytes
 * @param {number} [deadline] milliseconds
 * @returns {Promise<Reply>}
 */
export function sendRaw(to, bytes, deadline = DEADLINE_MS) {
  return new Promise((resolve, reject) => {
    /** @type {Buffer[]} */
    const parts = [];
    let length = 0;
    const socket = net.connect(Number(to.port || 80), to.hostname.replace(/^\[|\]$/g, ""));
    const timer = setTimeout(() => socket.destroy(), deadline);
    socket.on("connect", () => socket.write(bytes));
    socket.on("data", (part) => {
      parts.push(part);
      length += part.length;
      if (length > MOST_BYTES) socket.destroy();
    });
    socket.on("error", (error) => {
      // A server that resets what it does not like has answered; one that is not there has not.
      if (/** @type {NodeJS.ErrnoException} */ (error).code === "ECONNREFUSED") reject(error);
    });
    socket.on("close", () => {
      clearTimeout(timer);
      resolve(parsed(Buffer.concat(parts)));
    });
  });
}

/**
 * One request on a connection of its own.
 * @param {URL} to
 * @param {{method?: string, path: string, headers?: Headers, body?: Buffer | string}} request
 */
export function send(to, { method = "POST", path, headers = [], body = "" }) {
  const bytes = Buffer.from(body);
  const lines = [
    `${method} ${path} HTTP/1.1`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    `Content-Length: ${bytes.length}`,
  ];
  // Not twice, where a door has a Connection header of its own.
  if (!headers.some(([name]) => /^connection$/i.test(name))) lines.push("Connection: close");
  return sendRaw(to, Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`, "latin1"), bytes]));
}

/** @param {Buffer} raw @returns {Reply} */
function parsed(raw) {
  const end = raw.indexOf("\r\n\r\n");
  const head = raw.subarray(0, end === -1 ? raw.length : end).toString("latin1");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  const rest = end === -1 ? Buffer.alloc(0) : raw.subarray(end + 4);
  const body = /^transfer-encoding:.*chunked/im.test(head) ? joined(rest) : rest;
  return { status, head, body, raw };
}

/** @param {Buffer} chunked */
function joined(chunked) {
  const parts = [];
  for (let at = 0; ; ) {
    const line = chunked.indexOf("\r\n", at);
    const size = line === -1 ? 0 : Number.parseInt(chunked.subarray(at, line).toString("latin1"), 16);
    if (!(size > 0)) return Buffer.concat(parts);
    parts.push(chunked.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

/**
 * A header of a reply, in small letters; nothing when it is not there.
 * @param {Reply} reply
 * @param {string} name
 */
export function headerOf(reply, name) {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*\\r?$`, "im").exec(reply.head)?.[1];
}
