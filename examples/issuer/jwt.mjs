// JSON Web Tokens with node:crypto and nothing else.

import {
  createHash,
  createHmac,
  createPublicKey,
  generateKeyPairSync,
  sign,
  timingSafeEqual,
  verify,
} from "node:crypto";

/** @typedef {"ES256" | "RS256" | "EdDSA" | "HS256"} Algorithm */

/** @type {readonly Algorithm[]} */
export const ALGORITHMS = ["ES256", "RS256", "EdDSA", "HS256"];

/**
 * @typedef {object} SigningKey
 * @property {Algorithm} algorithm
 * @property {import("node:crypto").KeyObject} [key] the private key, where the algorithm has one
 * @property {string} [secret] the secret of HS256
 * @property {string} [kid] the RFC 7638 thumbprint of the public key; HS256 has none
 */

/** @param {unknown} value */
export const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

/**
 * A new private key.
 * @param {Algorithm} algorithm one of the asymmetric ones
 */
export function generateKey(algorithm) {
  switch (algorithm) {
    case "ES256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "RS256":
      return generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
    case "EdDSA":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      throw new Error(`${algorithm} has no key pair`);
  }
}

/**
 * The algorithm that a private key is for.
 * @param {import("node:crypto").KeyObject} key
 * @returns {Algorithm}
 */
export function algorithmOf(key) {
  switch (key.asymmetricKeyType) {
    case "ec":
      if (key.asymmetricKeyDetails?.namedCurve !== "prime256v1") {
        throw new Error("an EC key must be on the curve P-256");
      }
      return "ES256";
    case "rsa":
      return "RS256";
    case "ed25519":
      return "EdDSA";
    default:
      throw new Error(`a key of type ${key.asymmetricKeyType} signs no login`);
  }
}

/**
 * The public half as a JSON Web Key, with `kid`, `alg` and `use`.
 * @param {import("node:crypto").KeyObject} key
 */
export function publicJwk(key) {
  const algorithm = algorithmOf(key);
  const jwk = createPublicKey(key).export({ format: "jwk" });
  return { ...jwk, kid: thumbprint(jwk), alg: algorithm, use: "sig", key_ops: ["verify"] };
}

/**
 * RFC 7638: SHA-256 of the required members, in the order of the alphabet.
 * @param {import("node:crypto").JsonWebKey} jwk
 */
export function thumbprint(jwk) {
  const { crv, e, kty, n, x, y } = jwk;
  const members = { EC: { crv, kty, x, y }, RSA: { e, kty, n }, OKP: { crv, kty, x } }[String(kty)];
  return createHash("sha256").update(JSON.stringify(members)).digest("base64url");
}

/**
 * @param {import("node:crypto").KeyObject} key a private key
 * @returns {SigningKey}
 */
export function signingKey(key) {
  return { algorithm: algorithmOf(key), key, kid: publicJwk(key).kid };
}

/**
 * A signed token.
 * @param {Record<string, unknown>} claims
 * @param {SigningKey} by
 * @param {Record<string, unknown>} [header] added to, or instead of, what the key says
 */
export function signToken(claims, by, header = {}) {
  const head = encode({ alg: by.algorithm, typ: "JWT", ...(by.kid && { kid: by.kid }), ...header });
  const input = `${head}.${encode(claims)}`;
  return `${input}.${signature(input, by).toString("base64url")}`;
}

/**
 * @param {string} input
 * @param {SigningKey} by
 */
function signature(input, by) {
  if (by.algorithm === "HS256") {
    return createHmac("sha256", String(by.secret)).update(input).digest();
  }
  return sign(digestOf(by.algorithm), Buffer.from(input), material(by));
}

/** Ed25519 hashes by itself. @param {Algorithm} algorithm */
const digestOf = (algorithm) => (algorithm === "EdDSA" ? null : "sha256");

/** JWS wants r and s beside each other, not node's DER. @param {SigningKey} by */
function material(by) {
  if (!by.key) throw new Error(`${by.algorithm} needs a private key`);
  return { key: by.key, dsaEncoding: /** @type {const} */ ("ieee-p1363") };
}

/**
 * The claims of a token that one of the keys has signed and that has not expired, else nothing.
 * @param {string} token
 * @param {readonly SigningKey[]} keys
 * @param {number} now seconds
 * @returns {Record<string, unknown> | undefined}
 */
export function verifyToken(token, keys, now) {
  const [head, claims, signed, ...rest] = token.split(".");
  if (!head || !claims || !signed || rest.length > 0) return undefined;
  try {
    const { alg, kid } = JSON.parse(Buffer.from(head, "base64url").toString());
    const by = keys.find((key) => key.kid === kid && key.algorithm === alg);
    if (!by || !genuine(`${head}.${claims}`, Buffer.from(signed, "base64url"), by)) return undefined;
    const found = JSON.parse(Buffer.from(claims, "base64url").toString());
    return typeof found.exp === "number" && found.exp > now ? found : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param {string} input
 * @param {Buffer} signed
 * @param {SigningKey} by
 */
function genuine(input, signed, by) {
  if (by.algorithm === "HS256") {
    const expected = signature(input, by);
    return signed.length === expected.length && timingSafeEqual(signed, expected);
  }
  return verify(digestOf(by.algorithm), Buffer.from(input), material(by), signed);
}

/**
 * The claims of an access token, as Supabase issues them.
 * @param {{issuer: string, user: {id: string, email: string}, session: string, now: number, lifetime: number}} from
 *   times in seconds
 */
export function accessClaims({ issuer, user, session, now, lifetime }) {
  return {
    iss: issuer,
    sub: user.id,
    aud: "authenticated",
    exp: now + lifetime,
    iat: now,
    email: user.email,
    phone: "",
    app_metadata: { provider: "email", providers: ["email"] },
    user_metadata: {},
    role: "authenticated",
    aal: "aal1",
    amr: [{ method: "password", timestamp: now }],
    session_id: session,
    is_anonymous: false,
  };
}
