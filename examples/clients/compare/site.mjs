// Where the checks run: one namespace over one protocol.

import { createClient } from "@libsql/client";

export class Site {
  /**
   * @param {string} url http: or https:, of the namespace
   * @param {string} protocol `http` or `ws`
   * @param {string} token
   */
  constructor(url, protocol, token) {
    this.protocol = protocol;
    this.url = protocol === "ws" ? url.replace(/^http/, "ws") : url;
    this.token = token;
    this.db = this.open();
  }

  /**
   * Another client of the same namespace. Whoever opens it closes it.
   * @param {Partial<import("@libsql/client").Config>} [changed]
   */
  open(changed = {}) {
    return createClient({ url: this.url, authToken: this.token, ...changed });
  }

  /** Drops what earlier checks, or an earlier run, have made. */
  async clean() {
    const found = await this.db.execute(
      "SELECT name FROM sqlite_schema WHERE type = 'table' AND name LIKE 'compare\\_%' ESCAPE '\\'",
    );
    // Off, because the tables refer to one another.
    await this.db.migrate(found.rows.map(({ name }) => `DROP TABLE IF EXISTS "${name}"`));
  }

  close() {
    this.db.close();
  }
}
