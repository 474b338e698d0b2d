//! Stacks: their credentials, plans, record and engines.

mod credentials;
mod engine;
mod plan;
mod state;

use std::error::Error as StdError;

use super::Advice;

pub(super) fn advice(cause: &(dyn StdError + 'static)) -> Option<Advice> {
    let known = cause.downcast_ref().map(credentials::advice);
    let known = known.or_else(|| cause.downcast_ref().map(plan::advice));
    let known = known.or_else(|| cause.downcast_ref().map(state::advice));
    known.or_else(|| cause.downcast_ref().map(engine::advice))
}
