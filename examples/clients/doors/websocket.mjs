// Hrana over WebSocket, message by message.

import WebSocket from "ws";

const DEADLINE_MS = 5_000;

/** @typedef {{status: number, closed: number | undefined, text: string}} SocketReply */

/**
 * Opens a socket, says hello, opens a stream, runs SQL, and collects all that comes back.
 * @param {URL} to
 * @param {object} how
 * @param {string} how.host the Host header
 * @param {[string, string][]} [how.headers]
 * @param {string} [how.path]
 * @param {(string | undefined)[]} how.tokens one for each hello; nothing: a hello without a token
 * @param {string} how.sql
 * @param {boolean} [how.impatient] does not say hello at all
 * @returns {Promise<SocketReply>} `status` of the upgrade, 101 when it was granted
 */
export function ask(to, { host, headers = [], path = "/", tokens, sql, impatient = false }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${to.host}${path}`, ["hrana2"], {
      headers: { ...Object.fromEntries(headers), host },
      handshakeTimeout: DEADLINE_MS,
    });
    /** @type {SocketReply} */
    const reply = { status: 0, closed: undefined, text: "" };
    const timer = setTimeout(() => socket.terminate(), DEADLINE_MS);
    const done = () => {
      clearTimeout(timer);
      resolve(reply);
    };
    socket.on("unexpected-response", (request, response) => {
      reply.status = response.statusCode ?? 0;
      request.destroy();
      done();
    });
    socket.on("error", (error) => {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ECONNREFUSED") return;
      clearTimeout(timer);
      reject(error);
    });
    socket.on("open", () => {
      reply.status = 101;
      if (!impatient) for (const jwt of tokens) socket.send(JSON.stringify({ type: "hello", jwt: jwt ?? null }));
      for (const request of requests(sql)) socket.send(JSON.stringify(request));
    });
    socket.on("message", (data) => {
      reply.text += `${data}\n`;
      if (/"request_id":2\b/.test(String(data))) socket.close();
    });
    socket.on("close", (code) => {
      reply.closed = code;
      done();
    });
  });
}

/** @param {string} sql */
function requests(sql) {
  return [
    { type: "request", request_id: 1, request: { type: "open_stream", stream_id: 1 } },
    {
      type: "request",
      request_id: 2,
      request: { type: "execute", stream_id: 1, stmt: { sql, want_rows: true } },
    },
  ];
}

/**
 * Asks again and again over one socket, until it is refused or the deadline has passed.
 * @param {URL} to
 * @param {{host: string, token: string, sql: string, until: number}} how `until`: milliseconds of the epoch
 * @returns {Promise<{answered: number, refusedAt: number | undefined, last: string}>}
 *   when the last good answer and the refusal came, in milliseconds of the epoch
 */
export function askUntilRefused(to, { host, token, sql, until }) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${to.host}/`, ["hrana2"], { headers: { host } });
    /** @type {{answered: number, refusedAt: number | undefined, last: string}} */
    const seen = { answered: 0, refusedAt: undefined, last: "" };
    let id = 2;
    const timer = setInterval(() => {
      if (Date.now() > until) return socket.close();
      if (socket.readyState !== WebSocket.OPEN) return;
      const request = { type: "execute", stream_id: 1, stmt: { sql, want_rows: true } };
      socket.send(JSON.stringify({ type: "request", request_id: id++, request }));
    }, 100);
    socket.on("open", () => {
      socket.send(JSON.stringify({ type: "hello", jwt: token }));
      socket.send(JSON.stringify(requests(sql)[0]));
    });
    socket.on("message", (data) => {
      const text = String(data);
      seen.last = text;
      if (/"type":"(hello|response)_error"/.test(text)) {
        seen.refusedAt ??= Date.now();
        socket.close();
      } else if (/"type":"execute"/.test(text)) seen.answered = Date.now();
    });
    socket.on("error", (error) => {
      if (/** @type {NodeJS.ErrnoException} */ (error).code === "ECONNREFUSED") {
        clearInterval(timer);
        reject(error);
      }
    });
    socket.on("close", () => {
      clearInterval(timer);
      if (Date.now() <= until) seen.refusedAt ??= Date.now();
      resolve(seen);
    });
  });
}
