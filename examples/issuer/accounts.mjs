// Who has signed up, and who is signed in. In memory: it is gone with the process.

import { createHash, randomBytes, randomUUID, scrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

const hash = promisify(scrypt);
const HASH_BYTES = 32;
/** So that memory is bounded whatever asks. */
const MOST_ACCOUNTS = 100_000;

/**
 * @typedef {object} User
 * @property {string} id a UUID
 * @property {string} email
 * @property {string} created RFC 3339
 */

/** What a caller did wrong, as the auth server words it. */
export class Refused extends Error {
  /**
   * @param {number} status
   * @param {string} code one that `@supabase/auth-js` knows
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

const wrongCredentials = () => new Refused(400, "invalid_credentials", "Invalid login credentials");
const noSession = () =>
  new Refused(403, "session_not_found", "Session from session_id claim in JWT does not exist");

/** @param {string} token */
const digest = (token) => createHash("sha256").update(token).digest("hex");

export class Accounts {
  /** @type {Map<string, {user: User, salt: Buffer, hash: Buffer}>} by e-mail */
  #accounts = new Map();
  /** @type {Map<string, {user: User, refresh: string}>} by session; `refresh` is a digest */
  #sessions = new Map();
  /** @type {Map<string, string>} session by the digest of its refresh token */
  #refresh = new Map();
  /** What an unknown e-mail costs to check: as much as a known one. */
  #nobody = { salt: randomBytes(16), hash: randomBytes(HASH_BYTES) };

  /**
   * @param {unknown} email
   * @param {unknown} password
   */
  async signUp(email, password) {
    const address = normalised(email);
    if (typeof password !== "string" || password.length < 6) {
      throw new Refused(422, "weak_password", "Password should be at least 6 characters.");
    }
    if (password.length > 72) {
      throw new Refused(422, "validation_failed", "Password cannot be longer than 72 characters");
    }
    if (this.#accounts.size >= MOST_ACCOUNTS) {
      throw new Refused(429, "over_request_rate_limit", "This issuer keeps no more accounts");
    }
    const salt = randomBytes(16);
    const hashed = /** @type {Buffer} */ (await hash(password, salt, HASH_BYTES));
    // Looked at after the hash, so that of two sign-ups at once one alone wins.
    if (this.#accounts.has(address)) {
      throw new Refused(422, "user_already_exists", "User already registered");
    }
    const user = { id: randomUUID(), email: address, created: new Date().toISOString() };
    this.#accounts.set(address, { user, salt, hash: hashed });
    return this.#open(user);
  }

  /**
   * @param {unknown} email
   * @param {unknown} password
   */
  async signIn(email, password) {
    const address = normalised(email);
    if (typeof password !== "string" || password.length > 72) throw wrongCredentials();
    const account = this.#accounts.get(address);
    const known = account ?? this.#nobody;
    const hashed = /** @type {Buffer} */ (await hash(password, known.salt, HASH_BYTES));
    if (!timingSafeEqual(hashed, known.hash) || !account) throw wrongCredentials();
    return this.#open(account.user);
  }

  /**
   * A refresh token works once: the answer brings the next one.
   * @param {unknown} token
   */
  refresh(token) {
    const key = typeof token === "string" ? digest(token) : "";
    const session = this.#refresh.get(key);
    const found = session && this.#sessions.get(session);
    if (!found) {
      throw new Refused(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found");
    }
    this.#refresh.delete(key);
    return this.#hand(session, found.user);
  }

  /**
   * @param {string} session
   * @returns {User}
   */
  user(session) {
    const found = this.#sessions.get(session);
    if (!found) throw noSession();
    return found.user;
  }

  /**
   * @param {string} session
   * @param {string} scope `local`: this session; `others`: all but this; else all of the user
   */
  signOut(session, scope) {
    const { id } = this.user(session);
    for (const [name, { user, refresh }] of this.#sessions) {
      const mine = name === session;
      if (user.id !== id || (scope === "local" && !mine) || (scope === "others" && mine)) continue;
      this.#sessions.delete(name);
      this.#refresh.delete(refresh);
    }
  }

  /** @param {User} user */
  #open(user) {
    return this.#hand(randomUUID(), user);
  }

  /**
   * @param {string} session
   * @param {User} user
   */
  #hand(session, user) {
    const refreshToken = randomBytes(24).toString("base64url");
    const refresh = digest(refreshToken);
    this.#sessions.set(session, { user, refresh });
    this.#refresh.set(refresh, session);
    return { user, session, refreshToken };
  }
}

/** @param {unknown} email */
function normalised(email) {
  if (typeof email !== "string" || email.length > 254 || !/^[^\s@]+@[^\s@]+$/.test(email)) {
    throw new Refused(400, "validation_failed", "Unable to validate email address: invalid format");
  }
  return email.toLowerCase();
}
