//! Attacks: the weaknesses of the ledger that a gate in front of the server closes.

mod crash;
mod field;
mod reach;
mod replication;
mod sql;
mod tokens;
mod ways;

pub use self::field::{Field, config, rightful, stack};
use crate::siege::Attack;

/// In the order of the report.
pub const ALL: &[&[Attack]] = &[
    tokens::ATTACKS,
    ways::ATTACKS,
    replication::ATTACKS,
    sql::ATTACKS,
    reach::ATTACKS,
    crash::ATTACKS,
];
