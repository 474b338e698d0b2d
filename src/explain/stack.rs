//! Stacks: their credentials, plans and engines.

mod credentials;

use std::error::Error as StdError;

use super::Advice;

pub(super) fn advice(cause: &(dyn StdError + 'static)) -> Option<Advice> {
    cause.downcast_ref().map(credentials::advice)
}
