// Logins that a mint must refuse. Each is wrong in one thing only.

import { randomBytes } from "node:crypto";
import { encode, generateKey, publicJwk, signToken, signingKey } from "./jwt.mjs";

/** @typedef {{name: string, because: string, token: string}} BadLogin */
/** @typedef {Record<string, unknown>} Claims */

const HOUR = 3600;

/**
 * @param {object} from
 * @param {Claims} from.claims those of a good login
 * @param {import("./jwt.mjs").SigningKey} from.by the issuer's key
 * @param {number} from.now seconds
 * @param {string} [from.publicPem] the issuer's public key, where it has one
 * @returns {BadLogin[]}
 */
export function badLogins({ claims, by, now, publicPem }) {
  const good = signToken(claims, by);
  const [head, body, signature] = /** @type {[string, string, string]} */ (good.split("."));
  const strangerKey = generateKey("ES256");
  const stranger = signingKey(strangerKey);
  /** @param {Claims} changed */
  const signed = (changed) => signToken({ ...claims, ...changed }, by);
  /** @param {string} claim */
  const without = (claim) => signed({ [claim]: undefined });
  /** @type {[string, string, string][]} */
  const wrong = [
    ["expired", "it expired an hour ago", signed({ iat: now - 2 * HOUR, exp: now - HOUR })],
    ["no-expiry", "it would be good for ever", without("exp")],
    ["text-expiry", "the expiry is no number", signed({ exp: String(now + HOUR) })],
    ["not-yet", "it is good from an hour from now", signed({ nbf: now + HOUR })],
    ["wrong-issuer", "another issuer is named", signed({ iss: "http://evil.example/auth/v1" })],
    ["no-issuer", "no issuer is named", without("iss")],
    ["wrong-audience", "it is for somebody else", signed({ aud: "other" })],
    ["no-audience", "it is for nobody", without("aud")],
    ["wrong-role", "the role is no user's", signed({ role: "anon" })],
    ["no-subject", "it says nothing of who it is", without("sub")],
    ["empty-subject", "the subject is empty", signed({ sub: "" })],
    ["hostile-subject", "the subject leads out of the folder", signed({ sub: "../../etc" })],
    ["number-subject", "the subject is a number", signed({ sub: 7 })],
    ["forged", "another key signed it, under the issuer's kid", signToken(claims, { ...stranger, kid: by.kid })],
    ["other-kid", "another key signed it, and says so", signToken(claims, stranger)],
    ["unknown-kid", "the issuer's key signed it under a kid that nobody knows", signToken(claims, by, { kid: "nobody" })],
    ["own-key-inside", "it brings the key that verifies it", signToken(claims, stranger, { jwk: publicJwk(strangerKey) })],
    ["key-by-address", "it says where its key is", signToken(claims, stranger, { jku: "http://127.0.0.1:9/jwks.json" })],
    ["changed-claims", "the claims were changed after it was signed", `${head}.${encode({ ...claims, sub: "someone-else" })}.${signature}`],
    ["cut-signature", "the signature is cut", good.slice(0, -8)],
    ["no-signature", "the signature is missing", `${head}.${body}.`],
    ["two-parts", "it has two parts", `${head}.${body}`],
    ["alg-none", "the algorithm is none", `${encode({ alg: "none", typ: "JWT" })}.${body}.`],
    ["alg-none-signed", "the algorithm is none, the signature the issuer's", `${encode({ alg: "none", kid: by.kid })}.${body}.${signature}`],
    ["oversized", "it is of the issuer, and more than 50 KiB long", signed({ padding: "x".repeat(40 * 1024) })],
    ["garbage", "it is no token", randomBytes(96).toString("base64url")],
    ["dots", "it is dots only", ".."],
  ];
  if (by.algorithm !== "HS256") {
    wrong.push(["critical-header", "it needs an extension that nobody has", signToken(claims, by, { crit: ["b64"], b64: false })]);
  }
  if (publicPem) {
    const confused = { algorithm: /** @type {const} */ ("HS256"), secret: publicPem, kid: by.kid };
    wrong.push(["hs256-public-key", "HS256, with the public key for a secret", signToken(claims, confused)]);
    wrong.push(["hs256-kid", "HS256, with the kid for a secret", signToken(claims, { ...confused, secret: String(by.kid) })]);
  }
  return wrong.map(([name, because, token]) => ({ name, because, token }));
}
