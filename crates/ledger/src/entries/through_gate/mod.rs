//! Attacks: the weaknesses of the ledger that a gate in front of the server closes.

mod attack_context;
mod crash;
mod entry_points;
mod reach;
mod replication;
mod sql;
mod tokens;

pub use self::attack_context::{AttackContext, config, rightful, stack};
use crate::gate_audit::Attack;

/// In the order of the report.
pub const ALL: &[&[Attack]] = &[
    tokens::ATTACKS,
    entry_points::ATTACKS,
    replication::ATTACKS,
    sql::ATTACKS,
    reach::ATTACKS,
    crash::ATTACKS,
];
