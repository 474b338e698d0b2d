#!/usr/bin/env node
// Serves the page, its configuration and nothing else, on loopback.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { parseArgs } from "node:util";

const USAGE = `Usage: server.mjs [--port N] [--auth URL] [--mint URL] [--databases SOURCE]

Serves the todo page on 127.0.0.1. Prints its URL when it is ready. Build it first: npm run build

  --port       [default: 18093]; 0 takes a free one
  --auth       auth server [default: http://127.0.0.1:18092/auth/v1]; for a Supabase project
               https://REF.supabase.co/auth/v1, with its public key in SUPABASE_ANON_KEY
  --mint       token mint [default: http://127.0.0.1:18091]
  --databases  where databases live, as a source of a Content-Security-Policy
               [default: http://*.localhost:18090]
`;

/** The whole site. Nothing else on the disk can be asked for. */
const FILES = new Map([
  ["/", ["index.html", "text/html; charset=utf-8"]],
  ["/style.css", ["style.css", "text/css; charset=utf-8"]],
  ["/app.js", ["dist/app.js", "text/javascript; charset=utf-8"]],
  ["/app.js.map", ["dist/app.js.map", "application/json"]],
]);

/**
 * @param {string} message
 * @param {number} code
 * @returns {never}
 */
function fail(message, code) {
  console.error(`error: ${message}`);
  process.exit(code);
}

function options() {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "18093" },
        auth: { type: "string", default: "http://127.0.0.1:18092/auth/v1" },
        mint: { type: "string", default: "http://127.0.0.1:18091" },
        databases: { type: "string", default: "http://*.localhost:18090" },
        help: { type: "boolean", short: "h" },
      },
    }).values;
  } catch (error) {
    return fail(`${/** @type {Error} */ (error).message}\n\n${USAGE}`, 2);
  }
}

const given = options();
if (given.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const port = Number(given.port);
if (!Number.isInteger(port) || port < 0 || port > 65535) fail(`--port ${given.port}: this is no port`, 2);
for (const name of /** @type {const} */ (["auth", "mint"])) {
  if (!URL.canParse(given[name])) fail(`--${name} ${given[name]}: this is no URL`, 2);
}
if (/[\s;,]/.test(given.databases)) fail(`--databases ${given.databases}: this is not one source`, 2);

/** @type {Map<string, {body: Buffer | string, type: string}>} */
const site = new Map();
for (const [path, [file, type]] of FILES) {
  const body = await readFile(new URL(/** @type {string} */ (file), import.meta.url)).catch(() =>
    fail(`${file} is missing\nhint: run \`npm ci && npm run build\` in examples/`, 1),
  );
  site.set(path, { body, type: /** @type {string} */ (type) });
}
const { auth, mint } = given;
const config = JSON.stringify({ auth, mint, apiKey: process.env.SUPABASE_ANON_KEY ?? "" });
site.set("/config.json", { body: config, type: "application/json" });

const talksTo = ["'self'", new URL(auth).origin, new URL(mint).origin, given.databases].join(" ");
const headers = {
  "cache-control": "no-store",
  "content-security-policy": `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src ${talksTo}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

const server = createServer((request, response) => {
  const found = site.get((request.url ?? "/").split("?")[0] ?? "/");
  const readable = request.method === "GET" || request.method === "HEAD";
  if (!found || !readable) {
    response.writeHead(found ? 405 : 404, { ...headers, "content-type": "text/plain" });
    response.end(found ? "The page is only to be read\n" : "There is no such file\n");
    return;
  }
  response.writeHead(200, { ...headers, "content-type": found.type });
  response.end(request.method === "HEAD" ? undefined : found.body);
});
server.listen(port, "127.0.0.1");
await once(server, "listening").catch((error) => fail(`cannot listen on port ${port}: ${error.message}`, 1));
console.log(`http://127.0.0.1:${/** @type {import("node:net").AddressInfo} */ (server.address()).port}`);

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.on(signal, () => {
    server.close();
    server.closeAllConnections();
  });
}
