#!/usr/bin/env node
// Login tokens in bulk for benches, and bad ones for tests, signed with the key file of the
// issuer. Whoever has the key could sign any: that is why the issuer keeps it to itself.

import { createPrivateKey, createPublicKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { badLogins } from "./bad-logins.mjs";
import { accessClaims, signToken, signingKey } from "./jwt.mjs";

const USAGE = `Usage: logins.mjs --key FILE [--issuer URL] [--count N | --bad]

  --key     private key of a running issuer (issuer.mjs --key FILE); with no --key the
            secret SUPABASE_JWT_SECRET signs
  --issuer  the claim iss [default: http://127.0.0.1:18092/auth/v1]
  --count   print so many good login tokens, one a line, each of another user [default: 1]
  --bad     print login tokens that must be refused, as JSON: [{name, because, token}]
`;

const LIFETIME_SECONDS = 3600;

/**
 * @param {string} message
 * @returns {never}
 */
function badInput(message) {
  console.error(`error: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    const { values } = parseArgs({
      options: {
        key: { type: "string" },
        issuer: { type: "string", default: "http://127.0.0.1:18092/auth/v1" },
        count: { type: "string" },
        bad: { type: "boolean" },
        help: { type: "boolean", short: "h" },
      },
    });
    return values;
  } catch (error) {
    return badInput(/** @type {Error} */ (error).message);
  }
}

/**
 * @param {string | undefined} file
 * @returns {import("./jwt.mjs").SigningKey}
 */
function signer(file) {
  const secret = process.env.SUPABASE_JWT_SECRET;
  if (!file) {
    if (!secret) return badInput("--key is missing, and SUPABASE_JWT_SECRET is not set");
    return { algorithm: "HS256", secret };
  }
  try {
    return signingKey(createPrivateKey(readFileSync(file)));
  } catch (error) {
    return badInput(`--key ${file}: ${/** @type {Error} */ (error).message}`);
  }
}

const given = options();
if (given.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (given.bad && given.count !== undefined) badInput("--bad and --count exclude each other");
const count = Number(given.count ?? "1");
if (!Number.isInteger(count) || count < 1) badInput(`--count ${given.count}: this is no number of tokens`);
const by = signer(given.key);
const now = Math.floor(Date.now() / 1000);

/** @param {number} number */
function claims(number) {
  const user = { id: randomUUID(), email: `user${number}@example.com` };
  return accessClaims({
    issuer: given.issuer,
    user,
    session: randomUUID(),
    now,
    lifetime: LIFETIME_SECONDS,
  });
}

// `logins.mjs --count 10000 | head -1` is no failure.
process.stdout.on("error", () => process.exit(0));

if (given.bad) {
  const publicPem = by.key && createPublicKey(by.key).export({ format: "pem", type: "spki" });
  const bad = badLogins({ claims: claims(0), by, now, publicPem: publicPem?.toString() });
  console.log(JSON.stringify(bad, null, 2));
} else {
  // One write a thousand: 10,000 lines one by one would take longer than to sign them.
  for (let done = 0; done < count; done += 1000) {
    const lines = Array.from({ length: Math.min(1000, count - done) }, (_, i) =>
      signToken(claims(done + i), by),
    );
    process.stdout.write(`${lines.join("\n")}\n`);
  }
}
