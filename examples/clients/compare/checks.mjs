// All that the client can do, by name. Every check begins without any table of ours.

import { batches, concurrency, migrations, scripts } from "./statements.mjs";
import { clients, errors } from "./errors.mjs";
import { transactions } from "./transactions.mjs";
import { arguments_, integerModes, large, values } from "./values.mjs";

/** @type {Record<string, (site: import("./site.mjs").Site) => Promise<unknown>>} */
export const CHECKS = {
  values,
  integerModes,
  large,
  arguments: arguments_,
  batches,
  transactions,
  migrations,
  scripts,
  concurrency,
  errors,
  clients,
};
