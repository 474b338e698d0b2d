// JSON Web Tokens with WebCrypto: logins are verified, database tokens are signed.

/** A request that gets an answer other than a token. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} message for the caller; nothing secret
   */
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** What each algorithm is in WebCrypto, and which keys it takes. `none` and HS256 are not here. */
const ALGORITHMS = {
  ES256: { kty: "EC", crv: "P-256", import: { name: "ECDSA", namedCurve: "P-256" }, verify: { name: "ECDSA", hash: "SHA-256" } },
  RS256: { kty: "RSA", crv: undefined, import: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" }, verify: { name: "RSASSA-PKCS1-v1_5" } },
  EdDSA: { kty: "OKP", crv: "Ed25519", import: { name: "Ed25519" }, verify: { name: "Ed25519" } },
};

/** @param {string} text base64url */
const decode = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));

/** @param {Uint8Array | ArrayBuffer} bytes */
const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");

/** @param {unknown} value */
const encodeJson = (value) => encode(new TextEncoder().encode(JSON.stringify(value)));

/**
 * The parts of a login token, not verified yet.
 * @param {string} token
 */
export function parseLogin(token) {
  const parts = token.split(".");
  try {
    if (parts.length !== 3) throw new Error("a token has three parts");
    const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(decode(part))));
    if (typeof header !== "object" || !header || typeof claims !== "object" || !claims) throw new Error("no objects");
    const input = new TextEncoder().encode(`${parts[0]}.${parts[1]}`);
    if (header.crit !== undefined) throw new Error("extensions are not known");
    return { header, claims, input, signature: decode(/** @type {string} */ (parts[2])) };
  } catch {
    throw new Refused(401, "the login is no token");
  }
}

/**
 * The key decides which algorithm is right, not the token alone.
 * @param {JsonWebKey} jwk
 * @param {unknown} algorithm as the token's header says
 * @param {Uint8Array<ArrayBuffer>} input
 * @param {Uint8Array<ArrayBuffer>} signature
 */
export async function verifySignature(jwk, algorithm, input, signature) {
  const known = Object.entries(ALGORITHMS).find(([name]) => name === algorithm)?.[1];
  if (!known || jwk.kty !== known.kty || jwk.crv !== known.crv || (jwk.alg && jwk.alg !== algorithm)) {
    throw new Refused(401, "the algorithm of the login is not that of the key");
  }
  const { kty, crv, x, y, n, e } = jwk;
  const key = await crypto.subtle.importKey("jwk", { kty, crv, x, y, n, e }, known.import, false, ["verify"]);
  return crypto.subtle.verify(known.verify, key, signature, input);
}

/** @type {Map<string, Promise<{key: CryptoKey, kid: string}>>} imported once in the life of an isolate */
const signers = new Map();

/**
 * @param {Record<string, unknown>} claims
 * @param {string} pem private key, Ed25519, PKCS#8
 */
export async function signDatabaseToken(claims, pem) {
  const known = signers.get(pem) ?? importSigner(pem);
  signers.set(pem, known);
  const { key, kid } = await known;
  const input = `${encodeJson({ alg: "EdDSA", typ: "JWT", kid })}.${encodeJson(claims)}`;
  const signature = await crypto.subtle.sign("Ed25519", key, new TextEncoder().encode(input));
  return `${input}.${encode(signature)}`;
}

/** @param {string} pem */
async function importSigner(pem) {
  const der = decode(pem.replace(/-----[A-Z ]+-----|\s/g, ""));
  const key = await crypto.subtle.importKey("pkcs8", der, { name: "Ed25519" }, true, ["sign"]);
  const { crv, kty, x } = /** @type {JsonWebKey} */ (await crypto.subtle.exportKey("jwk", key));
  // RFC 7638: the members of the public key, in the order of the alphabet.
  const members = new TextEncoder().encode(JSON.stringify({ crv, kty, x }));
  return { key, kid: encode(await crypto.subtle.digest("SHA-256", members)) };
}
