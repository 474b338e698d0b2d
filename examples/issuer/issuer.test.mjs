// The issuer as `@supabase/auth-js`, the real client, sees it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import auth from "@supabase/auth-js";
import { ALGORITHMS } from "./jwt.mjs";

const script = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));
const SECRET = "only-for-this-test";

/**
 * @param {import("node:test").TestContext} t
 * @param {string[]} args
 */
async function start(t, ...args) {
  const issuer = spawn(process.execPath, [script("issuer.mjs"), "--listen", "127.0.0.1:0", ...args], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, SUPABASE_JWT_SECRET: SECRET },
  });
  t.after(async () => {
    issuer.kill();
    const [code] = await once(issuer, "exit");
    assert.equal(code, 0, "SIGTERM ends it in order");
  });
  const [url] = await once(createInterface({ input: issuer.stdout }), "line", { signal: AbortSignal.timeout(30_000) });
  return String(url);
}

/** @param {string} url */
const client = (url) =>
  new auth.AuthClient({ url: `${url}/auth/v1`, persistSession: false, autoRefreshToken: false });

describe("the login issuer", () => {
  for (const algorithm of ALGORITHMS) {
    test(`signs up, in and out with ${algorithm}`, async (t) => {
      const alice = client(await start(t, "--algorithm", algorithm));
      const credentials = { email: "alice@example.com", password: "secret1" };
      const up = await alice.signUp(credentials);
      assert.equal(up.error, null);
      assert.equal((await alice.signUp(credentials)).error?.code, "user_already_exists");
      const wrong = await alice.signInWithPassword({ ...credentials, password: "wrong-one" });
      assert.equal(wrong.error?.code, "invalid_credentials");
      const signedIn = await alice.signInWithPassword(credentials);
      assert.equal(signedIn.data.user?.id, up.data.user?.id);
      assert.equal((await alice.getUser()).data.user?.email, credentials.email);
      const refreshed = await alice.refreshSession();
      assert.equal(refreshed.error, null);
      const old = await alice.refreshSession({ refresh_token: signedIn.data.session?.refresh_token ?? "" });
      assert.equal(old.error?.code, "refresh_token_not_found", "a refresh token works once");
      const token = refreshed.data.session?.access_token;
      assert.equal((await alice.getUser(token)).error, null);
      assert.equal((await alice.signOut()).error, null);
      assert.notEqual((await alice.getUser(token)).error, null, "the session is over");
    });
  }

  test("publishes keys that the client verifies with, the older one too after a rotation", async (t) => {
    const url = await start(t);
    const alice = client(url);
    const { data } = await alice.signUp({ email: "alice@example.com", password: "secret1" });
    const before = data.session?.access_token;
    await fetch(`${url}/__rotate`, { method: "POST" });
    const { data: after } = await alice.signInWithPassword({ email: "alice@example.com", password: "secret1" });
    for (const token of [before, after.session?.access_token]) {
      const { data: found, error } = await client(url).getClaims(token);
      assert.equal(error, null);
      assert.equal(found?.claims.iss, `${url}/auth/v1`);
    }
    const { keys } = /** @type {any} */ (await (await fetch(`${url}/auth/v1/.well-known/jwks.json`)).json());
    assert.equal(keys.length, 2);
    assert.equal(keys.some((/** @type {object} */ key) => "d" in key), false, "no private part");
  });

  test("pages may not rotate keys, and strangers' pages read nothing", async (t) => {
    const url = await start(t);
    const headers = { origin: "http://evil.example" };
    assert.equal((await fetch(`${url}/__rotate`, { method: "POST", headers })).status, 403);
    const preflight = await fetch(`${url}/auth/v1/signup`, { method: "OPTIONS", headers });
    assert.equal(preflight.headers.get("access-control-allow-origin"), null);
  });

  test("serves loopback only", () => {
    const { status, stderr } = spawnSync(process.execPath, [script("issuer.mjs"), "--listen", "0.0.0.0:0"], {
      encoding: "utf8",
    });
    assert.equal(status, 2);
    assert.match(stderr, /loopback only/);
  });
});

describe("logins in bulk", () => {
  test("are different, and good to the issuer whose key they have", async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "demo-issuer-"));
    t.after(() => rmSync(folder, { recursive: true }));
    const key = join(folder, "key.pem");
    const url = await start(t, "--key", key);
    assert.equal(statSync(key).mode & 0o777, 0o600);
    const args = [script("logins.mjs"), "--key", key, "--issuer", `${url}/auth/v1`];
    const { stdout } = spawnSync(process.execPath, [...args, "--count", "1500"], { encoding: "utf8", maxBuffer: 1e7 });
    const logins = stdout.trim().split("\n");
    assert.equal(new Set(logins).size, 1500);
    const { data, error } = await client(url).getClaims(logins[0]);
    assert.equal(error, null);
    assert.equal(data?.claims.iss, `${url}/auth/v1`);

    const bad = JSON.parse(spawnSync(process.execPath, [...args, "--bad"], { encoding: "utf8" }).stdout);
    assert.equal(new Set(bad.map((/** @type {{name: string}} */ { name }) => name)).size, bad.length);
    for (const { name, token } of bad) {
      const answer = await fetch(`${url}/auth/v1/user`, { headers: { authorization: `Bearer ${token}` } });
      assert.notEqual(answer.status, 200, name);
    }
  });
});
