#!/usr/bin/env node
// Does with the real `@libsql/client` all that it can do, over HTTP and over WebSocket, and
// prints what came of it. Nothing in the output depends on the time, the address or the run, so
// that two outputs, one of the server itself and one through the gate, can be compared byte for
// byte.

import { parseArgs } from "node:util";
import "./loopback.mjs";
import { CHECKS } from "./compare/checks.mjs";
import { Site } from "./compare/site.mjs";

const USAGE = `Usage: DEMO_TOKEN=... compare.mjs --url http://NS.localhost:PORT [--over http|ws|both]

Prints one JSON document. Uses, and drops, tables whose names begin with compare_.
`;

/**
 * @param {string} message
 * @returns {never}
 */
function badInput(message) {
  console.error(`error: ${message}\n\n${USAGE}`);
  process.exit(2);
}

function options() {
  try {
    return parseArgs({
      options: {
        url: { type: "string" },
        over: { type: "string", default: "both" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return badInput(/** @type {Error} */ (error).message);
  }
}

const given = options();
if (given.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const url = given.url ?? badInput("--url is missing");
if (!URL.canParse(url) || !/^https?:/.test(url)) badInput(`--url ${url}: it is http: or https:`);
const token = process.env.DEMO_TOKEN ?? badInput("DEMO_TOKEN is not set");
const over = { http: ["http"], ws: ["ws"], both: ["http", "ws"] }[given.over];
if (!over) badInput(`--over ${given.over}: it is http, ws or both`);

/** @type {Record<string, Record<string, unknown>>} */
const document = {};
for (const protocol of over ?? []) {
  const site = new Site(url, protocol, token);
  /** @type {Record<string, unknown>} */
  const results = {};
  try {
    for (const [name, check] of Object.entries(CHECKS)) {
      await site.clean();
      results[name] = await check(site);
    }
    await site.clean();
  } catch (error) {
    console.error(`error: ${protocol}: ${/** @type {Error} */ (error).message}`);
    process.exitCode = 1;
    break;
  } finally {
    site.close();
  }
  document[protocol] = results;
}
console.log(JSON.stringify(document, null, 2));
