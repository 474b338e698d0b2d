// The worker in workerd, with the real login issuer, and the real server for the tokens that it
// mints. The server is the caller's: WORKER_TEST_SERVER is its URL, WORKER_TEST_KEY the file
// with the private key whose public half it trusts. `demo up --variant namespaced` makes both.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createPublicKey, randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Miniflare } from "miniflare";
import { badLogins } from "../issuer/bad-logins.mjs";
import { keyIn } from "../issuer/keyring.mjs";
import { signingKey, publicJwk } from "../issuer/jwt.mjs";

const server = process.env.WORKER_TEST_SERVER ?? "http://127.0.0.1:18080";
const admin = process.env.WORKER_TEST_ADMIN ?? "http://127.0.0.1:18082";
const adminKey = process.env.LIBSQL_ADMIN_AUTH_KEY ??
  (await readFile(fileURLToPath(new URL("../../.local/admin/admin.key", import.meta.url)), "utf8")).trim();
const keyFile = process.env.WORKER_TEST_KEY ?? fileURLToPath(new URL("../../.local/jwt/jwt.key", import.meta.url));
const ORIGIN = "http://127.0.0.1:18093";

/** @type {string} */ let folder;
/** @type {import("node:child_process").ChildProcess} */ let issuer;
/** @type {string} */ let issuerUrl;
/** @type {Miniflare[]} */ const workers = [];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "demo-worker-"));
  const script = fileURLToPath(new URL("../issuer/issuer.mjs", import.meta.url));
  issuer = spawn(process.execPath, [script, "--listen", "127.0.0.1:0", "--key", join(folder, "key.pem")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: /** @type {import("node:stream").Readable} */ (issuer.stdout) });
  [issuerUrl] = await once(lines, "line", { signal: AbortSignal.timeout(30_000) });
});

after(async () => {
  await Promise.all(workers.map((worker) => worker.dispose()));
  issuer.kill();
  await once(issuer, "exit");
  await rm(folder, { recursive: true });
});

/** @param {Record<string, string>} login how logins are checked */
async function startWorker(login) {
  const source = fileURLToPath(new URL("src/", import.meta.url));
  const worker = new Miniflare({
    modulesRoot: source,
    modules: ["worker.mjs", "jwt.mjs", "jwks.mjs"].map((name) => ({ type: "ESModule", path: join(source, name) })),
    compatibilityDate: "2026-07-01",
    host: "127.0.0.1",
    bindings: {
      LOGIN_ISSUER: `${issuerUrl}/auth/v1`,
      LOGIN_AUDIENCE: "authenticated",
      LOGIN_ROLE: "authenticated",
      TOKEN_ISSUER: "demo-mint",
      DATABASE_URL: "http://{namespace}.localhost:18090",
      ORIGINS: ORIGIN,
      PRIVATE_KEY: await readFile(keyFile, "utf8"),
      ...login,
    },
  });
  workers.push(worker);
  return new URL("/token", await worker.ready);
}

const withKeys = () => startWorker({ LOGIN_JWKS: `${issuerUrl}/auth/v1/.well-known/jwks.json` });

/** @returns {Promise<{access_token: string, user: {id: string}}>} */
async function signUp() {
  const response = await fetch(`${issuerUrl}/auth/v1/signup`, {
    method: "POST",
    body: JSON.stringify({ email: `${randomUUID()}@example.com`, password: "secret1" }),
  });
  assert.equal(response.status, 200);
  return /** @type {any} */ (response.json());
}

/** @param {URL} worker @param {string} login */
const buy = (worker, login) => fetch(worker, { method: "POST", headers: { authorization: `Bearer ${login}` } });

/**
 * Asks the real server, whose namespace is in the Host header.
 * @param {string} namespace
 * @param {string} token
 * @param {string} sql
 * @returns {Promise<{status: number, body: string}>}
 */
function query(namespace, token, sql) {
  const { promise, resolve, reject } = withResolvers();
  const headers = { host: `${namespace}.localhost`, authorization: `Bearer ${token}`, "content-type": "application/json" };
  const request = httpRequest(`${server}/v2/pipeline`, { method: "POST", headers, timeout: 10_000 }, async (response) => {
    let body = "";
    for await (const part of response) body += part;
    resolve({ status: response.statusCode, body });
  });
  request.on("error", reject);
  request.end(JSON.stringify({ requests: [{ type: "execute", stmt: { sql } }, { type: "close" }] }));
  return promise;
}

function withResolvers() {
  /** @type {any} */ let resolve;
  /** @type {any} */ let reject;
  const promise = new Promise((yes, no) => ([resolve, reject] = [yes, no]));
  return { promise, resolve, reject };
}

/** @param {string} namespace */
async function createNamespace(namespace) {
  const headers = { authorization: `basic ${adminKey}`, "content-type": "application/json" };
  const response = await fetch(`${admin}/v1/namespaces/${namespace}/create`, { method: "POST", headers, body: "{}" });
  assert.equal(response.status, 200, "the worker creates nothing, so the test does");
}

/** @param {string} namespace */
const dropNamespace = (namespace) =>
  fetch(`${admin}/v1/namespaces/${namespace}`, { method: "DELETE", headers: { authorization: `basic ${adminKey}` } });

/** @param {string} token */
const claimsOf = (token) => JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());

describe("the worker in workerd", () => {
  test("its token opens one's own namespace on the real server, and no other", async (t) => {
    const worker = await withKeys();
    const [alice, bob] = [await signUp(), await signUp()];
    const response = await buy(worker, alice.access_token);
    assert.equal(response.status, 200);
    const { dbToken, dbUrl, namespace, expiresAt } = /** @type {any} */ (await response.json());
    assert.equal(namespace, `db-${alice.user.id}`);
    assert.equal(dbUrl, `http://${namespace}.localhost:18090`);

    const claims = claimsOf(dbToken);
    assert.deepEqual(claims.p, { rw: { ns: [namespace] } });
    assert.equal("aud" in claims, false);
    assert.equal(claims.exp - claims.iat, 3600);
    assert.equal(Date.parse(expiresAt), claims.exp * 1000);

    const others = `db-${bob.user.id}`;
    for (const name of [namespace, others]) {
      await createNamespace(name);
      t.after(() => dropNamespace(name));
    }
    const own = await query(namespace, dbToken, "SELECT 'mine'");
    assert.equal(own.status, 200, own.body);
    assert.match(own.body, /mine/);
    const other = await query(others, dbToken, "SELECT 'mine'");
    assert.equal(other.status, 404, other.body);
  });

  test("two tokens for one login differ", async () => {
    const worker = await withKeys();
    const { access_token: login } = await signUp();
    const answers = await Promise.all([1, 2].map(async () => (await buy(worker, login)).json()));
    const [one, two] = /** @type {any[]} */ (answers);
    assert.notEqual(one.dbToken, two.dbToken);
  });

  test("every bad login gets 401 and a problem, never a token", async () => {
    const worker = await withKeys();
    const key = keyIn(join(folder, "key.pem"), "ES256");
    const { access_token: good } = await signUp();
    assert.equal((await buy(worker, good)).status, 200, "the good login must be taken");
    const bad = badLogins({
      claims: claimsOf(good),
      by: signingKey(key),
      now: Math.floor(Date.now() / 1000),
      publicPem: createPublicKey(key).export({ format: "pem", type: "spki" }).toString(),
    });
    assert.equal(publicJwk(key).alg, "ES256");
    for (const { name, because, token } of bad) {
      const response = await buy(worker, token);
      const text = await response.text();
      assert.equal(response.status, 401, `${name}: ${because}: ${text}`);
      assert.equal(response.headers.get("content-type"), "application/problem+json", name);
      assert.doesNotMatch(text, /dbToken/, name);
    }
  });

  test("a new key of the issuer is found while the worker runs", async () => {
    const worker = await withKeys();
    const { access_token: before } = await signUp();
    assert.equal((await buy(worker, before)).status, 200);
    const rotated = await fetch(`${issuerUrl}/__rotate`, { method: "POST" });
    assert.equal(rotated.status, 200);
    const { access_token: login } = await signUp();
    // The worker asks for keys at most every two seconds; meanwhile the new one is unknown.
    const deadline = Date.now() + 10_000;
    let status = 401;
    while (status === 401 && Date.now() < deadline) ({ status } = await buy(worker, login));
    assert.equal(status, 200);
    assert.equal((await buy(worker, before)).status, 200, "the older key is still published");
  });

  test("the user endpoint can be asked instead, and knows of sign-outs", async () => {
    const worker = await startWorker({ LOGIN_USER_ENDPOINT: `${issuerUrl}/auth/v1/user` });
    const { access_token: login, user } = await signUp();
    const response = await buy(worker, login);
    assert.equal(response.status, 200);
    assert.equal(/** @type {any} */ (await response.json()).namespace, `db-${user.id}`);
    const headers = { authorization: `Bearer ${login}` };
    await fetch(`${issuerUrl}/auth/v1/logout`, { method: "POST", headers });
    assert.equal((await buy(worker, login)).status, 401);
  });

  test("an issuer that is away is 502, not 401", async () => {
    const worker = await startWorker({ LOGIN_JWKS: "http://127.0.0.1:9/jwks.json" });
    const { access_token: login } = await signUp();
    assert.equal((await buy(worker, login)).status, 502);
  });

  test("only the configured page may call", async () => {
    const worker = await withKeys();
    const preflight = (/** @type {string} */ origin) =>
      fetch(worker, { method: "OPTIONS", headers: { origin, "access-control-request-method": "POST" } });
    assert.equal((await preflight(ORIGIN)).headers.get("access-control-allow-origin"), ORIGIN);
    assert.equal((await preflight("http://evil.example")).headers.get("access-control-allow-origin"), null);
  });

  test("other paths and methods are answered", async () => {
    const worker = await withKeys();
    assert.equal((await fetch(new URL("/", worker), { method: "POST" })).status, 404);
    assert.equal((await fetch(worker)).status, 405);
    assert.equal((await fetch(worker, { method: "POST" })).status, 401);
  });
});
