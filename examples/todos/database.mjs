// One's own database: a token from the mint, a client that uses it, and a new token in time.

import { createClient } from "@libsql/client/web";

/** A token is renewed when it has less than this left, or a tenth of its life. */
const MARGIN_MS = 60_000;

/** What went wrong, in words for the user. */
export class DatabaseError extends Error {
  /**
   * @param {string} message
   * @param {{signedOut?: boolean, cause?: unknown}} [more] `signedOut`: only a new login helps
   */
  constructor(message, { signedOut = false, cause } = {}) {
    super(message, { cause });
    this.name = "DatabaseError";
    this.signedOut = signedOut;
  }
}

/**
 * @typedef {object} Minted
 * @property {string} dbToken
 * @property {string} dbUrl
 * @property {string} namespace
 * @property {string} expiresAt RFC 3339
 */

/**
 * @typedef {object} Lease
 * @property {import("@libsql/client/web").Client} client
 * @property {string} namespace
 * @property {number} renewAt milliseconds of the epoch
 * @property {number} expiresAt the same
 */

export class Database {
  /** @type {Promise<Lease> | undefined} */
  #lease;

  /**
   * @param {object} from
   * @param {string} from.mint its URL
   * @param {() => Promise<string>} from.login a login token that is good now
   * @param {typeof globalThis.fetch} [from.fetch]
   */
  constructor({ mint, login, fetch = (...request) => globalThis.fetch(...request) }) {
    this.mint = mint;
    this.login = login;
    this.fetch = fetch;
  }

  /**
   * Namespace and expiry of the token in use; a new one when it is about to expire.
   * @returns {Promise<Lease>}
   */
  async lease() {
    const asked = this.#lease;
    const held = await asked?.catch(() => undefined);
    if (held && Date.now() < held.renewAt) return held;
    // One request, however many wait: the first of them has put a new one in its place. The old
    // client is not closed, because others may still be waiting for its answers.
    if (this.#lease === asked) {
      const renewed = this.#renew();
      this.#lease = renewed;
      renewed.catch(() => {
        if (this.#lease === renewed) this.#lease = undefined;
      });
    }
    return this.#lease ?? this.lease();
  }

  /**
   * Runs one statement. A token that is refused is renewed once: the key may have changed.
   * @param {import("@libsql/client/web").InStatement} statement
   */
  async execute(statement) {
    const refused = await this.lease();
    try {
      return await refused.client.execute(statement);
    } catch (error) {
      if (!unauthorized(error)) throw explained(error);
    }
    // Unless somebody else has renewed it meanwhile.
    if ((await this.#lease?.catch(() => undefined)) === refused) this.#lease = undefined;
    const renewed = await this.lease();
    return renewed.client.execute(statement).catch((error) => {
      throw explained(error);
    });
  }

  close() {
    this.#lease?.then(({ client }) => client.close()).catch(() => undefined);
    this.#lease = undefined;
  }

  /** @returns {Promise<Lease>} */
  async #renew() {
    const { dbToken, dbUrl, namespace, expiresAt } = await this.#mint();
    const expiry = Date.parse(expiresAt);
    const margin = Math.min(MARGIN_MS, (expiry - Date.now()) / 10);
    return {
      client: createClient({ url: dbUrl, authToken: dbToken }),
      namespace,
      expiresAt: expiry,
      renewAt: expiry - margin,
    };
  }

  /** @returns {Promise<Minted>} */
  async #mint() {
    const headers = { authorization: `Bearer ${await this.login()}` };
    /** @type {Response} */
    let response;
    try {
      response = await this.fetch(`${this.mint}/token`, { method: "POST", headers });
    } catch (cause) {
      throw new DatabaseError("The token mint does not answer. Is it running?", { cause });
    }
    if (response.ok) return response.json();
    throw await refusal(response);
  }
}

/** @param {Response} response of the mint, not a good one */
async function refusal(response) {
  const problem = await response.json().catch(() => ({}));
  const why = problem.detail ?? problem.title ?? `it answered ${response.status}`;
  switch (response.status) {
    case 401:
      return new DatabaseError(`Your login is no longer valid (${why}). Please sign in again.`, { signedOut: true });
    case 429: {
      const wait = response.headers.get("retry-after");
      return new DatabaseError(`Too many requests. Try again ${wait ? `in ${wait} s` : "in a minute"}.`);
    }
    default:
      return new DatabaseError(`The token mint gave no token: ${why}.`);
  }
}

/**
 * The gate says its status in the body, which the client keeps; of others it keeps the HTTP status.
 * @param {any} error
 */
const unauthorized = (error) => (error?.cause?.proto?.status ?? error?.cause?.status) === 401;

/** @param {unknown} thrown */
function explained(thrown) {
  const error = /** @type {{code?: string, message: string, cause?: {name?: string}}} */ (thrown);
  if (error.code === "SERVER_ERROR") {
    return new DatabaseError(`The database refused: ${error.message}.`, { cause: thrown });
  }
  if (error.code === undefined || error.message === "Failed to fetch") {
    return new DatabaseError("The database does not answer. Is the gate running?", { cause: thrown });
  }
  return new DatabaseError(error.message, { cause: thrown });
}
