// When tokens are renewed. The mint here is a stand-in: the real one gives no token that expires
// within seconds, and does not refuse on demand.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";
import { Database } from "./database.mjs";

/** @param {() => Response | Promise<Response>} answer */
function databaseWith(answer) {
  const calls = { minted: 0 };
  const database = new Database({
    mint: "http://127.0.0.1:9",
    login: async () => "login",
    fetch: async (_url, init) => {
      calls.minted += 1;
      assert.equal(new Headers(init?.headers).get("authorization"), "Bearer login");
      return answer();
    },
  });
  return { database, calls };
}

/** @param {number} milliseconds of life */
const token = (milliseconds) =>
  Response.json({
    dbToken: "token",
    dbUrl: "http://127.0.0.1:9",
    namespace: "db-alice",
    expiresAt: new Date(Date.now() + milliseconds).toISOString(),
  });

/** @param {number} status @param {object} body */
const problem = (status, body) => Response.json(body, { status });

test("one token serves many questions, also those at once", async () => {
  const { database, calls } = databaseWith(() => token(3_600_000));
  const leases = await Promise.all(Array.from({ length: 20 }, () => database.lease()));
  assert.equal(new Set(leases).size, 1);
  await database.lease();
  assert.equal(calls.minted, 1);
});

test("a token that is about to expire is renewed before it does", async () => {
  let life = -1;
  const { database, calls } = databaseWith(() => token(life));
  await database.lease();
  life = 3_600_000;
  const renewed = await Promise.all([database.lease(), database.lease()]);
  assert.equal(calls.minted, 2);
  assert.equal(renewed[0], renewed[1]);
  assert.ok(renewed[0].renewAt < renewed[0].expiresAt);
});

test("a refused login asks for a new one", async () => {
  const { database } = databaseWith(() => problem(401, { detail: "expired" }));
  await assert.rejects(database.lease(), { signedOut: true, message: /sign in again/ });
});

test("a mint that fails is asked again next time", async () => {
  let good = false;
  const { database } = databaseWith(() => (good ? token(3_600_000) : problem(503, { title: "Service Unavailable" })));
  await assert.rejects(database.lease(), { message: /Service Unavailable/, signedOut: false });
  good = true;
  assert.equal((await database.lease()).namespace, "db-alice");
});

test("too many requests say when to come back", async () => {
  const { database } = databaseWith(() => new Response("{}", { status: 429, headers: { "retry-after": "7" } }));
  await assert.rejects(database.lease(), { message: /in 7 s/ });
});

test("a token that the gate refuses is renewed once, and then it is said", async (t) => {
  const asked = [];
  const gate = createServer((request, response) => {
    asked.push(request.headers.authorization);
    request.resume();
    const said = { status: 401, code: "token-expired", message: "the token has expired" };
    response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify(said));
  });
  gate.listen(0, "127.0.0.1");
  await once(gate, "listening");
  t.after(() => gate.close());
  const { port } = /** @type {import("node:net").AddressInfo} */ (gate.address());
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  const { database, calls } = databaseWith(() =>
    Response.json({ dbToken: "token", dbUrl: `http://127.0.0.1:${port}`, namespace: "db-alice", expiresAt }),
  );
  await assert.rejects(database.execute("SELECT 1"), { name: "DatabaseError", message: /the token has expired/ });
  assert.equal(calls.minted, 2);
  assert.equal(asked.length, 2);
});
