//! What can be wrong in a file. No message repeats a value, which may be a secret.

use crate::interpolate::Problem;
use crate::place::Place;

/// Something at a place in a file that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What stands there has the wrong form or cannot be used.
    #[error("{place}: {says}")]
    Invalid {
        /// Where it stands.
        place: Place,
        /// What is wrong with it.
        says: String,
        /// How to write it, if there is one right way.
        help: Option<String>,
    },
    /// A mapping has a key that is not supported.
    #[error("{}, which demo does not honour", place.having(key))]
    Unknown {
        /// Where the mapping stands.
        place: Place,
        /// The key, and the keys inside it that lead to the unsupported one.
        key: String,
    },
    /// A variable cannot be replaced by its value.
    #[error("{place}: {problem}")]
    Variable {
        /// Where it is used.
        place: Place,
        /// Why.
        problem: Problem,
    },
}
