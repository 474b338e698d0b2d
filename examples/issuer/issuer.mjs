#!/usr/bin/env node
// A login issuer for offline use: what `@supabase/auth-js` needs of an auth server, on
// loopback, in memory. For examples, tests and benches; it is no auth server for users.

import { once } from "node:events";
import { createServer } from "node:http";
import { Accounts, Refused } from "./accounts.mjs";
import { accessClaims, signToken, verifyToken } from "./jwt.mjs";
import { Keyring } from "./keyring.mjs";
import { options } from "./options.mjs";

const LIFETIME_SECONDS = 3600;
const MOST_BODY_BYTES = 16 * 1024;
const BASE = "/auth/v1";

const now = () => Math.floor(Date.now() / 1000);

/** @typedef {{status: number, body?: unknown}} Answer */

class Issuer {
  /**
   * @param {string} url the issuer's own address, without a path
   * @param {Keyring} keys
   */
  constructor(url, keys) {
    this.name = url + BASE;
    this.keys = keys;
    this.accounts = new Accounts();
  }

  /**
   * @param {import("node:http").IncomingMessage} request
   * @returns {Promise<Answer>}
   */
  async answer(request) {
    const { pathname, searchParams } = new URL(request.url ?? "/", this.name);
    switch (`${request.method} ${pathname}`) {
      case `POST ${BASE}/signup`: {
        const { email, password } = await jsonBody(request);
        return { status: 200, body: this.#session(await this.accounts.signUp(email, password)) };
      }
      case `POST ${BASE}/token`:
        return { status: 200, body: this.#session(await this.#grant(searchParams, request)) };
      case `GET ${BASE}/user`:
        return { status: 200, body: described(this.accounts.user(this.#bearer(request))) };
      case `POST ${BASE}/logout`:
        this.accounts.signOut(this.#bearer(request), searchParams.get("scope") ?? "global");
        return { status: 204 };
      case `GET ${BASE}/.well-known/jwks.json`:
        return { status: 200, body: this.keys.published };
      case `GET ${BASE}/health`:
        return { status: 200, body: { name: "demo example issuer" } };
      case "POST /__rotate":
        return this.#rotate(searchParams, request);
      default:
        throw new Refused(404, "not_found", `There is no ${request.method} ${pathname}`);
    }
  }

  /**
   * @param {URLSearchParams} query
   * @param {import("node:http").IncomingMessage} request
   */
  async #grant(query, request) {
    const body = await jsonBody(request);
    switch (query.get("grant_type")) {
      case "password":
        return this.accounts.signIn(body.email, body.password);
      case "refresh_token":
        return this.accounts.refresh(body.refresh_token);
      default:
        throw new Refused(400, "validation_failed", "unsupported_grant_type");
    }
  }

  /** @param {{user: import("./accounts.mjs").User, session: string, refreshToken: string}} opened */
  #session({ user, session, refreshToken }) {
    const issued = now();
    const claims = accessClaims({
      issuer: this.name,
      user,
      session,
      now: issued,
      lifetime: LIFETIME_SECONDS,
    });
    return {
      access_token: signToken(claims, this.keys.active),
      token_type: "bearer",
      expires_in: LIFETIME_SECONDS,
      expires_at: issued + LIFETIME_SECONDS,
      refresh_token: refreshToken,
      user: described(user),
    };
  }

  /**
   * The session that the request's access token belongs to.
   * @param {import("node:http").IncomingMessage} request
   */
  #bearer(request) {
    const [, token] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "") ?? [];
    if (!token) throw new Refused(401, "no_authorization", "This endpoint requires a Bearer token");
    const claims = verifyToken(token, this.keys.all, now());
    if (!claims) throw new Refused(403, "bad_jwt", "invalid JWT: unable to parse or verify signature");
    return String(claims.session_id);
  }

  /**
   * Test equipment: a new key signs. Pages cannot ask for it.
   * @param {URLSearchParams} query
   * @param {import("node:http").IncomingMessage} request
   */
  #rotate(query, request) {
    if (request.headers.origin !== undefined) {
      throw new Refused(403, "not_admin", "A page may not rotate the keys");
    }
    if (this.keys.active.algorithm === "HS256") {
      throw new Refused(409, "conflict", "HS256 has a secret from outside, which is not rotated");
    }
    return { status: 200, body: { kid: this.keys.rotate(query.has("forget")) } };
  }
}

/** @param {import("./accounts.mjs").User} user */
function described(user) {
  return {
    id: user.id,
    aud: "authenticated",
    role: "authenticated",
    email: user.email,
    email_confirmed_at: user.created,
    phone: "",
    app_metadata: { provider: "email", providers: ["email"] },
    user_metadata: {},
    identities: [],
    created_at: user.created,
    updated_at: user.created,
    is_anonymous: false,
  };
}

/**
 * @param {import("node:http").IncomingMessage} request
 * @returns {Promise<Record<string, unknown>>}
 */
async function jsonBody(request) {
  const parts = [];
  let bytes = 0;
  for await (const part of request) {
    bytes += part.length;
    if (bytes > MOST_BODY_BYTES) throw new Refused(413, "validation_failed", "The body is too long");
    parts.push(part);
  }
  try {
    const body = JSON.parse(Buffer.concat(parts).toString());
    if (typeof body === "object" && body !== null) return body;
  } catch {
    // Said below, as for any other body that is no object.
  }
  throw new Refused(400, "bad_json", "Could not parse request body as JSON");
}

/**
 * @param {Set<string>} origins
 * @param {import("node:http").IncomingMessage} request
 * @returns {Record<string, string>}
 */
function cors(origins, request) {
  const { origin } = request.headers;
  if (!origin || !origins.has(origin)) return { vary: "origin" };
  return {
    vary: "origin",
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers":
      "apikey, authorization, content-type, x-client-info, x-supabase-api-version",
    "access-control-max-age": "600",
  };
}

/**
 * @param {Issuer} issuer
 * @param {Set<string>} origins
 * @returns {import("node:http").RequestListener}
 */
function listener(issuer, origins) {
  return async (request, response) => {
    const headers = cors(origins, request);
    /** @type {Answer} */
    let answer;
    if (request.method === "OPTIONS") {
      answer = { status: 204 };
    } else {
      answer = await issuer.answer(request).catch(failure);
    }
    const body = answer.body === undefined ? undefined : JSON.stringify(answer.body);
    response.writeHead(answer.status, {
      ...headers,
      "cache-control": "no-store",
      "x-supabase-api-version": "2024-01-01",
      ...(body !== undefined && { "content-type": "application/json" }),
    });
    response.end(body);
  };
}

/**
 * @param {unknown} error
 * @returns {Answer}
 */
function failure(error) {
  if (error instanceof Refused) {
    return { status: error.status, body: { code: error.code, message: error.message } };
  }
  console.error("issuer:", error);
  return { status: 500, body: { code: "unexpected_failure", message: "The issuer failed" } };
}

const given = options();
const { host, port } = given.address;

const server = createServer({ requestTimeout: 10_000 });
server.listen(port, host);
await once(server, "listening").catch((error) => {
  console.error(`error: cannot listen on ${host}:${port}: ${error.message}`);
  process.exit(1);
});
const bound = /** @type {import("node:net").AddressInfo} */ (server.address());
const url = `http://${host.includes(":") ? `[${host}]` : host}:${bound.port}`;
server.on("request", listener(new Issuer(url, new Keyring(given.key)), given.origins));
console.log(url);

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
