// The command line of the issuer.

import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { ALGORITHMS, generateKey, signingKey } from "./jwt.mjs";
import { keyIn } from "./keyring.mjs";

const DEFAULT_ORIGINS = ["http://127.0.0.1:18093", "http://localhost:18093"];

const USAGE = `Usage: issuer.mjs [--listen HOST:PORT] [--algorithm ${ALGORITHMS.join("|")}] [--key FILE] [--origin URL]...

A login issuer for offline use, on loopback. Prints its URL when it is ready.

  --listen     loopback address to listen on [default: 127.0.0.1:18092]; port 0 takes a free one
  --algorithm  what signs access tokens [default: ES256]; HS256 takes the secret from
               SUPABASE_JWT_SECRET
  --key        PEM file with the private key; made when it is not there. Without it the key
               is in memory only
  --origin     a page that may call it [default: http://127.0.0.1:18093 and http://localhost:18093]
`;

/**
 * @param {string} message
 * @returns {never}
 */
function badInput(message) {
  console.error(`error: ${message}\n\n${USAGE}`);
  process.exit(2);
}

/** @param {string} text */
function loopback(text) {
  const [, bracketed, plain, port] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (!host || Number(port) > 65535) badInput(`--listen ${text}: this is not HOST:PORT`);
  const local = host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  if (!local) badInput(`--listen ${text}: the issuer serves loopback only`);
  return { host, port: Number(port) };
}

/** What the command line says, checked. Anything wrong ends the process with exit code 2. */
export function options() {
  const given = parsed();
  if (given.help) {
    process.stdout.write(USAGE);
    process.exit(0);
  }
  return {
    address: loopback(given.listen),
    key: firstKey(given),
    origins: new Set(given.origin ?? DEFAULT_ORIGINS),
  };
}

function parsed() {
  try {
    const { values } = parseArgs({
      options: {
        listen: { type: "string", default: "127.0.0.1:18092" },
        algorithm: { type: "string", default: "ES256" },
        key: { type: "string" },
        origin: { type: "string", multiple: true },
        help: { type: "boolean", short: "h" },
      },
    });
    return values;
  } catch (error) {
    return badInput(/** @type {Error} */ (error).message);
  }
}

/** @param {{algorithm?: string, key?: string}} given */
function firstKey({ algorithm, key }) {
  const chosen = ALGORITHMS.find((name) => name === algorithm);
  if (!chosen) return badInput(`--algorithm ${algorithm}: it is one of ${ALGORITHMS.join(", ")}`);
  if (chosen === "HS256") {
    const secret = process.env.SUPABASE_JWT_SECRET;
    if (!secret) return badInput("HS256 needs its secret in SUPABASE_JWT_SECRET");
    if (key) return badInput("--key is for the other algorithms: HS256 has a secret");
    return { algorithm: chosen, secret };
  }
  try {
    const found = signingKey(key ? keyIn(key, chosen) : generateKey(chosen));
    if (found.algorithm === chosen) return found;
    return badInput(`--key ${key}: this is a key for ${found.algorithm}, not ${chosen}`);
  } catch (error) {
    return badInput(`--key ${key}: ${/** @type {Error} */ (error).message}`);
  }
}
