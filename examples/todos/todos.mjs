// Todos in one's own database. The table comes from schema.sql, through the mint.

/**
 * @typedef {object} Todo
 * @property {number} id
 * @property {string} title
 * @property {boolean} done
 */

export const LONGEST_TITLE = 200;

export class Todos {
  /** @param {import("./database.mjs").Database} database */
  constructor(database) {
    this.database = database;
  }

  /** Open ones first, then by age. @returns {Promise<Todo[]>} */
  async all() {
    const { rows } = await this.database.execute("SELECT id, title, done FROM todos ORDER BY done, id");
    return rows.map(({ id, title, done }) => ({ id: Number(id), title: String(title), done: Number(done) === 1 }));
  }

  /** @param {string} title */
  async add(title) {
    await this.database.execute({ sql: "INSERT INTO todos (title) VALUES (?)", args: [title] });
  }

  /** @param {number} id @param {boolean} done */
  async mark(id, done) {
    await this.database.execute({ sql: "UPDATE todos SET done = ? WHERE id = ?", args: [BigInt(done), id] });
  }

  /** @param {number} id */
  async remove(id) {
    await this.database.execute({ sql: "DELETE FROM todos WHERE id = ?", args: [id] });
  }
}
