// Doors that differ in how the namespace is named: host, header, path, and all at once.

import { binary } from "./grpc.mjs";
import { bearer, JSON_TYPE, READ, seen, write } from "./door.mjs";
import { send, sendRaw } from "./wire.mjs";

/** @typedef {import("./door.mjs").Door} Door */
/** @typedef {import("./door.mjs").Site} Site */
/** @typedef {import("./door.mjs").Headers} Headers */

/**
 * @param {Site} site
 * @returns {Door[]}
 */
export function nameDoors(site) {
  const { url, own, other, ownHost, otherHost, bareHost, tokens, markers } = site;
  /**
   * @param {string} door
   * @param {import("./door.mjs").Expectation} expects
   * @param {{hosts?: string[], path?: string, headers?: Headers, body?: string, writes?: string}} how
   * @returns {Door}
   */
  const at = (door, expects, { hosts = [bareHost], path = "/v2/pipeline", headers = [], writes }) => ({
    door,
    expects,
    ...(writes && { writes }),
    open: async () => {
      const named = hosts.map((host) => /** @type {[string, string]} */ (["Host", host]));
      const all = [...named, bearer(tokens.own), JSON_TYPE, ...headers];
      return seen(await send(url, { path, headers: all, body: writes ? write(writes) : READ }));
    },
  });
  const text = markers.text;
  const plain = (/** @type {string} */ name) => /** @type {[string, string]} */ (["x-namespace", name]);
  const bin = (/** @type {string | Buffer} */ name) =>
    /** @type {[string, string]} */ (["x-namespace-bin", binary(name)]);
  const padded = /** @type {[string, string]} */ (["x-namespace-bin", Buffer.from(other).toString("base64")]);
  const domain = ownHost.slice(own.length + 1);

  /** @type {Door[]} */
  const hosts = [
    at("host: own", "allowed", { hosts: [ownHost] }),
    at("host: own, write", "allowed", { hosts: [ownHost], writes: text("host own") }),
    at("host: own, with a port", "allowed", { hosts: [`${ownHost}:${url.port}`] }),
    at("host: other's", "refused", { hosts: [otherHost] }),
    at("host: other's, write", "refused", { hosts: [otherHost], writes: text("host other") }),
    at("host: nobody's", "refused", { hosts: [`nobody-at-all.${domain}`] }),
    at("host: own in capitals", "harmless", { hosts: [ownHost.toUpperCase()] }),
    at("host: other's in capitals", "refused", { hosts: [otherHost.toUpperCase()] }),
    at("host: other's with a trailing dot", "refused", { hosts: [`${otherHost}.`] }),
    at("host: other's with another port", "refused", { hosts: [`${otherHost}:1`] }),
    at("host: other's with a bad port", "refused", { hosts: [`${otherHost}:port`] }),
    at("host: other's, label alone", "refused", { hosts: [other] }),
    at("host: other's, at another domain", "refused", { hosts: [`${other}.evil.example`] }),
    at("host: other's, below own", "refused", { hosts: [`${other}.${ownHost}`] }),
    at("host: own, below the other's", "harmless", { hosts: [`${own}.${otherHost}`] }),
    at("host: own at another domain", "refused", { hosts: [`${own}.evil.example`] }),
    at("host: both with a comma", "refused", { hosts: [`${ownHost}, ${otherHost}`] }),
    at("host: other's as the user of own", "harmless", { hosts: [`${otherHost}@${ownHost}`] }),
    at("host: own as the user of the other's", "harmless", { hosts: [`${ownHost}@${otherHost}`] }),
    at("host: other's with a path", "refused", { hosts: [`${otherHost}/${ownHost}`] }),
    at("host: other's with %2e", "refused", { hosts: [`${other}%2e${domain}`] }),
    at("host: ..", "refused", { hosts: [`...${domain}`] }),
    at("host: empty", "refused", { hosts: [""] }),
    at("host: none", "refused", { hosts: [] }),
    at("host: bare domain", "refused", { hosts: [domain] }),
    at("host: IPv4", "refused", { hosts: [`127.0.0.1:${url.port}`] }),
    at("host: IPv6", "refused", { hosts: [`[::1]:${url.port}`] }),
    at("host: IPv6 without brackets", "refused", { hosts: ["::1"] }),
    at("host: twice, own first", "refused", { hosts: [ownHost, otherHost] }),
    at("host: twice, the other's first", "refused", { hosts: [otherHost, ownHost] }),
    at("host: own, target of the other's", "harmless", { hosts: [ownHost], path: `http://${otherHost}/v2/pipeline` }),
    at("x-forwarded-host: other's", "harmless", { hosts: [ownHost], headers: [["X-Forwarded-Host", otherHost]] }),
    at("forwarded: other's", "harmless", { hosts: [ownHost], headers: [["Forwarded", `host=${otherHost}`]] }),
    at("x-original-host: other's", "harmless", { hosts: [ownHost], headers: [["X-Original-Host", otherHost]] }),
  ];

  /** @type {Door[]} */
  const headers = [
    at("x-namespace: own", "allowed", { headers: [plain(own)] }),
    at("x-namespace: other's", "refused", { headers: [plain(other)] }),
    at("x-namespace-bin: own", "allowed", { headers: [bin(own)] }),
    at("x-namespace-bin: own, write", "allowed", { headers: [bin(own)], writes: text("bin own") }),
    at("x-namespace-bin: other's", "refused", { headers: [bin(other)] }),
    at("x-namespace-bin: other's, write", "refused", { headers: [bin(other)], writes: text("bin other") }),
    at("x-namespace-bin: other's, padded", "refused", { headers: [padded] }),
    at("x-namespace: own, and own host", "allowed", { hosts: [ownHost], headers: [plain(own)] }),
    at("x-namespace: other's, own host", "refused", { hosts: [ownHost], headers: [plain(other)] }),
    at("x-namespace-bin: other's, own host", "refused", { hosts: [ownHost], headers: [bin(other)] }),
    at("x-namespace-bin: other's, padded, own host", "refused", { hosts: [ownHost], headers: [padded] }),
    at("x-namespace-bin: own, other's host", "refused", { hosts: [otherHost], headers: [bin(own)] }),
    at("x-namespace: own, -bin: other's", "refused", { headers: [plain(own), bin(other)] }),
    at("x-namespace: other's, -bin: own", "refused", { headers: [plain(other), bin(own)] }),
    at("x-namespace: own, -bin: other's, own host", "refused", { hosts: [ownHost], headers: [plain(own), bin(other)] }),
    at("x-namespace twice, own first", "refused", { headers: [plain(own), plain(other)] }),
    at("x-namespace twice, the other's first", "refused", { headers: [plain(other), plain(own)] }),
    at("x-namespace-bin twice, own first", "refused", { headers: [bin(own), bin(other)] }),
    at("x-namespace-bin twice, the other's first", "refused", { headers: [bin(other), bin(own)] }),
    at("x-namespace-bin twice, own host", "refused", { hosts: [ownHost], headers: [bin(own), bin(other)] }),
    at("x-namespace: both with a comma", "refused", { headers: [plain(`${own},${other}`)] }),
    at("x-namespace-bin: both with a comma", "refused", { headers: [["x-namespace-bin", `${binary(own)},${binary(other)}`]] }),
    at("x-namespace: other's in capitals", "refused", { headers: [plain(other.toUpperCase())] }),
    at("x-namespace-bin: with a zero byte", "refused", { headers: [bin(Buffer.from(`${other}\0${own}`))] }),
    at("x-namespace-bin: no UTF-8", "refused", { headers: [bin(Buffer.from([0xff, 0xfe]))] }),
    at("x-namespace-bin: no base64", "refused", { headers: [["x-namespace-bin", "%%%"]] }),
    at("x-namespace-bin: empty", "refused", { headers: [["x-namespace-bin", ""]] }),
    at("x-namespace-bin: empty, own host", "harmless", { hosts: [ownHost], headers: [["x-namespace-bin", ""]] }),
    at("x-namespace-bin: out of the folder", "refused", { headers: [bin("../../doors-evil")] }),
    at("x-namespace-bin: out of own", "refused", { headers: [bin(`${own}/../${other}`)] }),
    at("x-namespace: out of own", "refused", { headers: [plain(`${own}/../${other}`)] }),
    // A proxy that honours this drops the name that it has just set itself.
    at("connection: x-namespace-bin", "harmless", { hosts: [ownHost], headers: [["Connection", "close, x-namespace-bin, authorization"]] }),
    at("connection: host", "harmless", { hosts: [ownHost], headers: [["Connection", "close, host"], bin(own)] }),
  ];

  const dev = `/dev/${other}/v2/pipeline`;
  /** @type {Door[]} */
  const paths = [
    at("path: /dev/own", "allowed", { path: `/dev/${own}/v2/pipeline` }),
    at("path: /dev/own, own host", "allowed", { hosts: [ownHost], path: `/dev/${own}/v2/pipeline` }),
    at("path: /dev/other's", "refused", { path: dev }),
    at("path: /dev/other's, own host", "refused", { hosts: [ownHost], path: dev }),
    at("path: /dev/other's, own host, write", "refused", { hosts: [ownHost], path: dev, writes: text("dev other") }),
    at("path: /dev/other's, own x-namespace-bin", "refused", { headers: [bin(own)], path: dev }),
    at("path: /dev/other's, own host and header", "refused", { hosts: [ownHost], headers: [bin(own)], path: dev }),
    at("path: /dev/own, other's host", "refused", { hosts: [otherHost], path: `/dev/${own}/v2/pipeline` }),
    at("path: /dev/own, other's x-namespace-bin", "refused", { headers: [bin(other)], path: `/dev/${own}/v2/pipeline` }),
    at("path: /dev/own/../other's", "refused", { hosts: [ownHost], path: `/dev/${own}/../${other}/v2/pipeline` }),
    at("path: /dev/own/%2e%2e/other's", "refused", { hosts: [ownHost], path: `/dev/${own}/%2e%2e/${other}/v2/pipeline` }),
    at("path: /dev/own%2f..%2fother's", "refused", { hosts: [ownHost], path: `/dev/${own}%2f..%2f${other}/v2/pipeline` }),
    at("path: /dev/ with a letter escaped", "refused", { hosts: [ownHost], path: `/dev/%${other.charCodeAt(0).toString(16)}${other.slice(1)}/v2/pipeline` }),
    at("path: //dev/other's", "refused", { hosts: [ownHost], path: `/${dev}` }),
    at("path: /dev//other's", "refused", { hosts: [ownHost], path: `/dev//${other}/v2/pipeline` }),
    at("path: /./dev/other's", "refused", { hosts: [ownHost], path: `/.${dev}` }),
    at("path: /%64ev/other's", "refused", { hosts: [ownHost], path: `/%64ev/${other}/v2/pipeline` }),
    at("path: /DEV/other's", "refused", { hosts: [ownHost], path: `/DEV/${other}/v2/pipeline` }),
    at("path: /v2/../dev/other's", "refused", { hosts: [ownHost], path: `/v2/..${dev}` }),
    at("path: /dev/own/dev/other's", "refused", { hosts: [ownHost], path: `/dev/${own}${dev}` }),
    at("path: /dev/other's;own", "refused", { hosts: [ownHost], path: `/dev/${other};${own}/v2/pipeline` }),
    at("path: /dev/own\\..\\other's", "refused", { hosts: [ownHost], path: `/dev/${own}\\..\\${other}/v2/pipeline` }),
    at("path: own, other's in the query", "harmless", { hosts: [ownHost], path: `/v2/pipeline?namespace=${other}&x-namespace=${other}` }),
    at("path: asterisk", "refused", { hosts: [ownHost], path: "*" }),
  ];
  return [...hosts, ...headers, ...paths, smuggled(site)];
}

/**
 * Two lengths for one body: whoever takes the wrong one sees a second request, for the other's.
 * @param {Site} site
 * @returns {Door}
 */
function smuggled({ url, ownHost, otherHost, tokens, markers }) {
  const writes = markers.text("smuggled");
  return {
    door: "body: a second request inside the first",
    expects: "harmless",
    writes,
    open: async () => {
      const body = write(writes);
      const [name, value] = bearer(tokens.own);
      const second = [
        "POST /v2/pipeline HTTP/1.1",
        `Host: ${otherHost}`,
        `${name}: ${value}`,
        "Content-Type: application/json",
        `Content-Length: ${body.length}`,
        "",
        body,
      ].join("\r\n");
      const rest = `0\r\n\r\n${second}`;
      const first = [
        "POST /v2/pipeline HTTP/1.1",
        `Host: ${ownHost}`,
        `${name}: ${value}`,
        "Content-Type: application/json",
        `Content-Length: ${rest.length}`,
        "Transfer-Encoding: chunked",
        "",
        rest,
      ].join("\r\n");
      return seen(await sendRaw(url, Buffer.from(first), 1500));
    },
  };
}
