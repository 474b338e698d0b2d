// The token mint as a Cloudflare Worker: a login buys a token for one's own database, for an
// hour, and for nothing else. It creates nothing: the namespace must be there already, from
// `demo mint serve`, `demo tenant create` or your own sign-up.

import { keyFor } from "./jwks.mjs";
import { parseLogin, Refused, signDatabaseToken, verifySignature } from "./jwt.mjs";

const LIFETIME_SECONDS = 3600;
const TIMEOUT_MS = 5_000;
/** Longer than any real login token, and short enough to be looked at for nothing. */
const LONGEST_LOGIN = 16 * 1024;
/** A namespace is a folder on the server and a label in a host name. */
const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * @typedef {object} Env
 * @property {string} LOGIN_ISSUER the claim `iss` of logins
 * @property {string} LOGIN_AUDIENCE the claim `aud`
 * @property {string} [LOGIN_ROLE] the claim `role`, where it must be one
 * @property {string} [LOGIN_JWKS] where the keys of the issuer are; this or the next
 * @property {string} [LOGIN_USER_ENDPOINT] whom to ask whether a login is good
 * @property {string} [SUPABASE_ANON_KEY] the key that the user endpoint wants
 * @property {string} PRIVATE_KEY Ed25519, PKCS#8 PEM; a secret
 * @property {string} [TOKEN_ISSUER] the claim `iss` of database tokens
 * @property {string} DATABASE_URL with `{namespace}` in it
 * @property {string} [ORIGINS] pages that may call, separated by spaces
 */

export default {
  /**
   * @param {Request} request
   * @param {Env} env
   * @returns {Promise<Response>}
   */
  async fetch(request, env) {
    const cors = crossOrigin(request, env);
    if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: cors });
    try {
      return json(200, await mint(request, env), { ...cors, "cache-control": "no-store" });
    } catch (error) {
      const { status, message } = error instanceof Refused ? error : new Refused(500, "the worker failed");
      if (!(error instanceof Refused)) console.error("worker:", error instanceof Error ? error.message : error);
      const problem = { type: "about:blank", title: TITLES[status] ?? "Error", status, detail: message };
      return json(status, problem, { ...cors, "content-type": "application/problem+json" });
    }
  },
};

/** @type {Record<number, string>} */
const TITLES = { 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 502: "Bad Gateway" };

/**
 * @param {Request} request
 * @param {Env} env
 */
async function mint(request, env) {
  if (new URL(request.url).pathname !== "/token") throw new Refused(404, "there is POST /token only");
  if (request.method !== "POST") throw new Refused(405, "there is POST /token only");
  const [, login] = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "") ?? [];
  if (!login) throw new Refused(401, "the login token is missing: Authorization: Bearer TOKEN");
  if (login.length > LONGEST_LOGIN) throw new Refused(401, "the login token is too long");

  const now = Math.floor(Date.now() / 1000);
  const subject = env.LOGIN_JWKS ? await byKeys(login, env, env.LOGIN_JWKS, now) : await byAsking(login, env);
  const namespace = `db-${subject}`;
  if (!NAMESPACE.test(namespace)) throw new Refused(401, "the subject of the login makes no namespace");

  const expiry = now + LIFETIME_SECONDS;
  const claims = {
    sub: subject,
    // Without `p` the token would open every namespace of the server; with `aud` none.
    p: { rw: { ns: [namespace] } },
    iat: now,
    exp: expiry,
    iss: env.TOKEN_ISSUER,
    jti: crypto.randomUUID(),
  };
  return {
    dbToken: await signDatabaseToken(claims, env.PRIVATE_KEY),
    dbUrl: env.DATABASE_URL.replace("{namespace}", namespace),
    namespace,
    expiresAt: new Date(expiry * 1000).toISOString(),
  };
}

/**
 * The subject of a login that the issuer has signed.
 * @param {string} login
 * @param {Env} env
 * @param {string} jwks
 * @param {number} now
 */
async function byKeys(login, env, jwks, now) {
  const { header, claims, input, signature } = parseLogin(login);
  const key = await keyFor(jwks, header.kid, now);
  if (!(await verifySignature(key, header.alg, input, signature))) {
    throw new Refused(401, "the signature of the login is wrong");
  }
  if (typeof claims.exp !== "number" || claims.exp <= now) throw new Refused(401, "the login has expired");
  if (claims.nbf !== undefined && !(Number(claims.nbf) <= now)) throw new Refused(401, "the login is not valid yet");
  if (claims.iss !== env.LOGIN_ISSUER) throw new Refused(401, "the login is of another issuer");
  if (![claims.aud].flat().includes(env.LOGIN_AUDIENCE)) throw new Refused(401, "the login is for somebody else");
  if (env.LOGIN_ROLE && claims.role !== env.LOGIN_ROLE) throw new Refused(401, "the login has another role");
  if (typeof claims.sub !== "string" || !claims.sub) throw new Refused(401, "the login has no subject");
  return claims.sub;
}

/**
 * The subject that the auth server itself names. It also knows of sign-outs, and costs a request.
 * @param {string} login
 * @param {Env} env
 */
async function byAsking(login, env) {
  if (!env.LOGIN_USER_ENDPOINT) throw new Error("LOGIN_JWKS or LOGIN_USER_ENDPOINT must be set");
  const headers = new Headers({ authorization: `Bearer ${login}` });
  if (env.SUPABASE_ANON_KEY) headers.set("apikey", env.SUPABASE_ANON_KEY);
  const response = await fetch(env.LOGIN_USER_ENDPOINT, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) }).catch(() => {
    throw new Refused(502, "the auth server does not answer");
  });
  if (response.status >= 500 || response.status === 429) throw new Refused(502, "the auth server cannot say now");
  if (!response.ok) throw new Refused(401, "the auth server refuses the login");
  const user = /** @type {any} */ (await response.json());
  if (user.aud !== env.LOGIN_AUDIENCE) throw new Refused(401, "the login is for somebody else");
  if (env.LOGIN_ROLE && user.role !== env.LOGIN_ROLE) throw new Refused(401, "the login has another role");
  if (typeof user.id !== "string" || !user.id) throw new Refused(401, "the login has no subject");
  return user.id;
}

/**
 * @param {Request} request
 * @param {Env} env
 * @returns {Record<string, string>}
 */
function crossOrigin(request, env) {
  const origin = request.headers.get("origin");
  if (!origin || !(env.ORIGINS ?? "").split(" ").includes(origin)) return { vary: "origin" };
  return {
    vary: "origin",
    "access-control-allow-origin": origin,
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "authorization, content-type",
    "access-control-max-age": "600",
  };
}

/**
 * @param {number} status
 * @param {unknown} body
 * @param {Record<string, string>} headers
 */
const json = (status, body, headers) =>
  new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json", ...headers } });
