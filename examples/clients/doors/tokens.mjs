// Alice's tokens, and the strange ones that she might try. All are signed with the project's own
// key: what is tried is what the holder of a token can do, not whether signatures hold.

import { createPublicKey, randomUUID } from "node:crypto";
import { encode, generateKey, signToken, signingKey } from "../../issuer/jwt.mjs";

const HOUR = 3600;

/**
 * @param {object} from
 * @param {import("node:crypto").KeyObject} from.key
 * @param {string} from.own
 * @param {string} from.other
 * @param {string} [from.issuer] the claim `iss`
 */
export function makeTokens({ key, own, other, issuer }) {
  const by = signingKey(key);
  const now = Math.floor(Date.now() / 1000);
  /** @param {Record<string, unknown>} claims */
  const sign = (claims, signer = by, header = {}) =>
    signToken({ sub: "alice", iat: now, exp: now + HOUR, iss: issuer, jti: randomUUID(), ...claims }, signer, header);
  const mine = { p: { rw: { ns: [own] } } };
  const publicPem = createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
  return {
    own: sign(mine),
    other: sign({ sub: "bob", p: { rw: { ns: [other] } } }),
    readOnly: sign({ p: { ro: { ns: [own] } } }),
    /** Reads the other's, and writes her own. */
    readsOther: sign({ p: { rw: { ns: [own] }, ro: { ns: [other] } } }),
    expired: sign({ ...mine, iat: now - 2 * HOUR, exp: now - HOUR }),
    /** Within the minute that the server lets pass. */
    justExpired: sign({ ...mine, iat: now - HOUR, exp: now - 5 }),
    notYet: sign({ ...mine, nbf: now + HOUR }),
    withoutClaims: sign({}),
    writesAll: sign({ a: "rw" }),
    emptyClaims: sign({ p: {} }),
    byTag: sign({ p: { rw: { tags: ["default"] } } }),
    otherIssuer: sign({ ...mine, iss: "somebody-else" }),
    withAudience: sign({ ...mine, aud: "libsql" }),
    claimsAndId: sign({ ...mine, id: other, a: "rw" }),
    byId: sign({ id: own, a: "rw" }),
    forged: sign({ p: { rw: { ns: [own, other] } } }, { ...signingKey(generateKey("EdDSA")), kid: by.kid }),
    none: `${encode({ alg: "none", typ: "JWT" })}.${encode({ p: { rw: { ns: [other] } }, exp: now + HOUR })}.`,
    hs256: sign({ p: { rw: { ns: [other] } } }, { algorithm: "HS256", secret: publicPem, kid: by.kid }),
    /** @param {number} seconds of life */
    brief: (seconds) => sign({ ...mine, exp: now + seconds }),
  };
}

/** @typedef {ReturnType<typeof makeTokens>} Tokens */
