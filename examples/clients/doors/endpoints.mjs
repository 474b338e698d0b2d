// Doors that differ in the endpoint: every protocol, and what is not for clients at all.

import { insertSql, jsonBody, protobufCursor, protobufPipeline, READ_SQL } from "./bodies.mjs";
import { bearer, JSON_TYPE, seen, seenGrpc, write } from "./door.mjs";
import { binary, call, execute, replicate } from "./grpc.mjs";
import { send } from "./wire.mjs";

/** @typedef {import("./door.mjs").Door} Door */
/** @typedef {import("./door.mjs").Site} Site */
/** @typedef {import("./door.mjs").Headers} Headers */

/** @param {Site} site @returns {Door[]} */
export function endpointDoors(site) {
  return [...protocols(site), ...replication(site), ...proxyCalls(site), ...notForClients(site)];
}

/** @param {Site} site @returns {Door[]} */
function protocols({ url, own, other, ownHost, otherHost, bareHost, tokens }) {
  const protobuf = /** @type {[string, string]} */ (["Content-Type", "application/x-protobuf"]);
  /** @type {[string, string, Buffer | string, [string, string]][]} */
  const endpoints = [
    ["v0 statements", "/", jsonBody(READ_SQL, "statements"), JSON_TYPE],
    ["v1 execute", "/v1/execute", jsonBody(READ_SQL, "v1Execute"), JSON_TYPE],
    ["v1 batch", "/v1/batch", jsonBody(READ_SQL, "v1Batch"), JSON_TYPE],
    ["v2 pipeline", "/v2/pipeline", jsonBody(READ_SQL), JSON_TYPE],
    ["v2 batch", "/v2/pipeline", jsonBody(READ_SQL, "batch"), JSON_TYPE],
    ["v2 stored statement", "/v2/pipeline", jsonBody(READ_SQL, "stored"), JSON_TYPE],
    ["v3 pipeline", "/v3/pipeline", jsonBody(READ_SQL), JSON_TYPE],
    ["v3 cursor", "/v3/cursor", jsonBody(READ_SQL, "cursor"), JSON_TYPE],
    ["v3 protobuf pipeline", "/v3-protobuf/pipeline", protobufPipeline(READ_SQL), protobuf],
    ["v3 protobuf cursor", "/v3-protobuf/cursor", protobufCursor(READ_SQL), protobuf],
  ];
  return endpoints.flatMap(([name, path, body, type]) => {
    /** @param {string} host @param {string} at */
    const open = (host, at) => async () =>
      seen(await send(url, { path: at, headers: [["Host", host], bearer(tokens.own), type], body }));
    return /** @type {Door[]} */ ([
      { door: `${name}: own`, expects: "allowed", open: open(ownHost, path) },
      { door: `${name}: other's`, expects: "refused", open: open(otherHost, path) },
      { door: `${name}: /dev/other's, own host`, expects: "refused", open: open(ownHost, `/dev/${other}${path}`) },
      { door: `${name}: /dev/other's`, expects: "refused", open: open(bareHost, `/dev/${other}${path}`) },
      // The server itself knows this path for v2 only; a gate may do better.
      { door: `${name}: /dev/own`, expects: "harmless", open: open(bareHost, `/dev/${own}${path}`) },
    ]);
  });
}

/** @param {Site} site @returns {Door[]} */
function replication({ url, own, other, ownHost, otherHost, bareHost, tokens }) {
  /** @param {string} name @returns {[string, string]} */
  const named = (name) => ["x-namespace-bin", binary(name)];
  /** What an embedded replica sends its token in. @param {string} token @returns {[string, string]} */
  const embedded = (token) => ["x-authorization", `Bearer ${token}`];
  /**
   * @param {string} door
   * @param {import("./door.mjs").Expectation} expects
   * @param {string} host
   * @param {Headers} headers
   * @returns {Door}
   */
  const log = (door, expects, host, headers) => ({
    door: `replication: ${door}`,
    expects,
    open: async () => seenGrpc(await replicate(url, [["Host", host], ...headers])),
  });
  const { own: mine } = tokens;
  return [
    log("own, as embedded replicas ask", "allowed", ownHost, [named(own), embedded(mine)]),
    log("own by header", "allowed", bareHost, [named(own), embedded(mine)]),
    log("own, token in authorization", "allowed", ownHost, [named(own), bearer(mine)]),
    log("other's", "refused", otherHost, [named(other), embedded(mine)]),
    log("other's by header", "refused", bareHost, [named(other), embedded(mine)]),
    log("other's by header, own host", "refused", ownHost, [named(other), embedded(mine)]),
    log("other's, token in authorization", "refused", bareHost, [named(other), bearer(mine)]),
    log("other's by host alone", "refused", otherHost, [embedded(mine)]),
    log("other's, without a token", "refused", otherHost, [named(other)]),
    log("own, without a token", "refused", ownHost, [named(own)]),
    log("other's, token without claims", "refused", otherHost, [named(other), embedded(tokens.withoutClaims)]),
    log("other's, forged token", "refused", otherHost, [named(other), embedded(tokens.forged)]),
    log("own, expired a moment ago", "refused", ownHost, [named(own), embedded(tokens.justExpired)]),
    log("own and stranger's token in two headers", "refused", otherHost, [named(other), bearer(mine), embedded(tokens.withoutClaims)]),
    log("stranger's and own token in two headers", "refused", otherHost, [named(other), bearer(tokens.withoutClaims), embedded(mine)]),
    log("full access for a replica", "refused", otherHost, [named(other), bearer(mine), ["x-proxy-authorization", '"FullAccess"']]),
    {
      door: "replication: the log without a hello",
      expects: "refused",
      open: async () => {
        const headers = /** @type {Headers} */ ([["Host", otherHost], named(other), embedded(mine), ["x-session-token", "guessed"]]);
        return seenGrpc(await call(url, "/wal_log.ReplicationLog/BatchLogEntries", headers, Buffer.from([0x08, 0x00])));
      },
    },
    {
      door: "replication: snapshot of the other's",
      expects: "refused",
      open: async () => {
        const headers = /** @type {Headers} */ ([["Host", bareHost], named(other), embedded(mine)]);
        return seenGrpc(await call(url, "/wal_log.ReplicationLog/Snapshot", headers, Buffer.from([0x08, 0x00])));
      },
    },
    {
      door: "replication: a method that does not exist",
      expects: "refused",
      open: async () => {
        const headers = /** @type {Headers} */ ([["Host", ownHost], named(own), embedded(mine)]);
        return seenGrpc(await call(url, "/wal_log.ReplicationLog/Nothing", headers, Buffer.alloc(0)));
      },
    },
  ];
}

/** @param {Site} site @returns {Door[]} */
function proxyCalls({ url, own, other, ownHost, otherHost, bareHost, tokens, markers }) {
  /**
   * @param {string} door
   * @param {import("./door.mjs").Expectation} expects
   * @param {string} host
   * @param {string} name
   * @param {Headers} headers
   * @returns {Door}
   */
  const at = (door, expects, host, name, headers) => {
    const writes = markers.text(`proxy ${door}`);
    return {
      door: `proxy call: ${door}`,
      expects,
      writes,
      open: async () => {
        const all = /** @type {Headers} */ ([["Host", host], ["x-namespace-bin", binary(name)], ...headers]);
        return seenGrpc(await execute(url, all, insertSql(writes)));
      },
    };
  };
  const full = /** @type {[string, string]} */ (["x-proxy-authorization", '"FullAccess"']);
  const anonymous = /** @type {[string, string]} */ (["x-proxy-authorization", '"Anonymous"']);
  /** @param {string} token @returns {[string, string]} */
  const embedded = (token) => ["x-authorization", `Bearer ${token}`];
  return [
    at("own", "allowed", ownHost, own, [embedded(tokens.own)]),
    at("other's", "refused", otherHost, other, [embedded(tokens.own)]),
    at("other's by header, own host", "refused", ownHost, other, [embedded(tokens.own)]),
    at("own, without a token", "refused", ownHost, own, []),
    at("own, read-only token", "refused", ownHost, own, [embedded(tokens.readOnly)]),
    at("other's, full access", "refused", otherHost, other, [full]),
    at("other's, full access and own token", "refused", bareHost, other, [full, embedded(tokens.own)]),
    at("own, full access and read-only token", "refused", ownHost, own, [full, embedded(tokens.readOnly)]),
    at("other's, anonymous", "refused", otherHost, other, [anonymous]),
    at("other's, full access twice", "refused", bareHost, other, [full, full, embedded(tokens.own)]),
  ];
}

/** @param {Site} site @returns {Door[]} */
function notForClients({ url, own, other, ownHost, otherHost, bareHost, tokens, markers }) {
  const admin = /** @type {[string, string]} */ (["Authorization", `basic ${process.env.LIBSQL_ADMIN_AUTH_KEY ?? "unknown"}`]);
  const config = JSON.stringify({ block_reads: false, block_writes: false });
  /**
   * @param {string} door
   * @param {{method?: string, path: string, host?: string, headers?: Headers, body?: string}} how
   * @returns {Door}
   */
  const shut = (door, { method = "GET", path, host = otherHost, headers = [bearer(tokens.own)], body = "" }) => ({
    door: `not for clients: ${door}`,
    expects: "refused",
    open: async () => seen(await send(url, { method, path, headers: [["Host", host], ...headers, JSON_TYPE], body })),
  });
  const create = `/v1/namespaces/doors-made/create`;
  return [
    shut("dump of the other's", { path: "/dump" }),
    shut("dump of own", { path: "/dump", host: ownHost }),
    shut("dump by /dev/", { path: `/dev/${other}/dump`, host: bareHost }),
    shut("listen on the other's", { path: "/beta/listen?table=doors_marker" }),
    shut("listen on own", { path: "/beta/listen?table=doors_marker", host: ownHost }),
    shut("jobs", { path: "/v1/jobs", host: ownHost }),
    shut("console", { path: "/console", host: ownHost }),
    shut("profile", { path: "/debug/pprof/heap", host: ownHost }),
    shut("unknown", { path: "/nothing/here", host: ownHost }),
    shut("info, sync, export", { path: "/info", host: ownHost }),
    shut("admin: create, own token", { method: "POST", path: create, body: "{}", host: ownHost }),
    shut("admin: create, admin key", { method: "POST", path: create, body: "{}", headers: [admin], host: bareHost }),
    shut("admin: config", { path: `/v1/namespaces/${other}/config`, headers: [admin], host: bareHost }),
    shut("admin: change the config", { method: "POST", path: `/v1/namespaces/${own}/config`, body: config, headers: [admin], host: bareHost }),
    shut("admin: delete", { method: "DELETE", path: `/v1/namespaces/${other}`, headers: [admin], host: bareHost }),
    shut("admin: by a path that leaves", { path: `/v2/../v1/namespaces/${other}/config`, headers: [admin], host: ownHost }),
    shut("method GET on a pipeline", { path: "/v2/pipeline", host: ownHost }),
    shut("method PUT on a pipeline", { method: "PUT", path: "/v2/pipeline", host: ownHost, body: write(markers.text("put")) }),
    shut("method CONNECT", { method: "CONNECT", path: `${otherHost}:80`, host: ownHost }),
    shut("method TRACE", { method: "TRACE", path: "/v2/pipeline", host: ownHost }),
  ];
}
