#!/usr/bin/env node
// What a program sees of one statement that the gate refuses: the real `@libsql/client` over a
// WebSocket, with a transaction open, and with a connection that has just been opened.

import { parseArgs } from "node:util";
import "./loopback.mjs";
import { createClient } from "@libsql/client";

const { values } = parseArgs({ options: { url: { type: "string" } } });
if (!values.url || !process.env.DEMO_TOKEN) {
  console.error("Usage: DEMO_TOKEN=... refused.mjs --url http://NS.localhost:PORT");
  process.exit(2);
}
const url = values.url.replace(/^http/, "ws");
const FORBIDDEN = "SELECT readfile('/etc/hostname')";

/** @param {() => Promise<unknown>} ask */
async function codeOf(ask) {
  try {
    await ask();
    return "none";
  } catch (error) {
    return /** @type {{ code?: string }} */ (error).code ?? String(error);
  }
}

const open = () => createClient({ url, authToken: process.env.DEMO_TOKEN });
const client = open();
await client.execute("DROP TABLE IF EXISTS refused");
await client.execute("CREATE TABLE refused (x)");
const transaction = await client.transaction("write");
await transaction.execute("INSERT INTO refused VALUES (1)");
const inside = await codeOf(() => transaction.execute(FORBIDDEN));
await transaction.execute("INSERT INTO refused VALUES (2)");
await transaction.commit();
const beside = await codeOf(() => client.execute(FORBIDDEN));
const rows = (await client.execute("SELECT count(*) AS n FROM refused")).rows[0]?.n;
client.close();

const fresh = open();
const first = await codeOf(() => fresh.execute(FORBIDDEN));
const after = (await fresh.execute("SELECT 'alive' AS x")).rows[0]?.x;
await fresh.execute("DROP TABLE refused");
fresh.close();
console.log(JSON.stringify({ inside, beside, rows, first, after }));
