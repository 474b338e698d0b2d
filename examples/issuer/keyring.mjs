// The keys of the issuer: one signs, all verify, all are published.

import { createPrivateKey } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { generateKey, publicJwk, signingKey } from "./jwt.mjs";

/** @typedef {import("./jwt.mjs").SigningKey} SigningKey */

/**
 * The private key in a PKCS#8 PEM file; made when there is none, readable by its owner only.
 * @param {string} file
 * @param {import("./jwt.mjs").Algorithm} algorithm of a new key
 */
export function keyIn(file, algorithm) {
  try {
    writeFileSync(file, generateKey(algorithm).export({ format: "pem", type: "pkcs8" }), {
      mode: 0o600,
      flag: "wx",
    });
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
  }
  return createPrivateKey(readFileSync(file));
}

export class Keyring {
  /** @type {SigningKey[]} the first signs */
  #keys;

  /** @param {SigningKey} first */
  constructor(first) {
    this.#keys = [first];
  }

  get active() {
    return /** @type {SigningKey} */ (this.#keys[0]);
  }

  get all() {
    return this.#keys;
  }

  /** The JWKS document. A secret is never in it. */
  get published() {
    return { keys: this.#keys.flatMap(({ key }) => (key ? [publicJwk(key)] : [])) };
  }

  /**
   * A new key signs from now on.
   * @param {boolean} forget whether the older ones are forgotten, or still published
   */
  rotate(forget) {
    const next = signingKey(generateKey(this.active.algorithm));
    this.#keys = forget ? [next] : [next, ...this.#keys];
    return next.kid;
  }
}
