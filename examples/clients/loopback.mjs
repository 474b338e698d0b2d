// `NAME.localhost` is loopback in every browser (RFC 6761), but plain Debian does not resolve
// it. Importing this file makes Node's own look-ups do so, for `fetch` and for `ws` alike: both
// end in `net.connect`, which asks `dns.lookup` at each connection.

import dns from "node:dns";

const LOOPBACK = { address: "127.0.0.1", family: 4 };
const original = dns.lookup;

/** @param {string} name */
const isLocalhost = (name) => /(^|\.)localhost\.?$/i.test(name);

/**
 * @param {string} name
 * @param {any} options
 * @param {any} [callback]
 */
function lookup(name, options, callback) {
  const done = callback ?? options;
  if (!isLocalhost(name)) return original(name, options, callback);
  // A service that listens on ::1 only is not meant here: all of the example is on 127.0.0.1.
  const all = typeof options === "object" && options !== null && options.all;
  process.nextTick(() => (all ? done(null, [LOOPBACK]) : done(null, LOOPBACK.address, LOOPBACK.family)));
}

dns.lookup = /** @type {typeof dns.lookup} */ (lookup);
