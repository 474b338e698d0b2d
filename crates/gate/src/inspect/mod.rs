//! The SQL in a request, wherever it stands in it, judged by [`sql`](super::sql).

mod json;
mod protobuf;
mod proxy;

pub use self::json::check as json;
pub use self::protobuf::{cursor, pipeline};
pub use self::proxy::{Call, check as call};

use super::rights::Right;
use super::sql;
pub use super::sql::Judged;

/// The word for programs of [`Refusal::Sql`].
pub const SQL_FORBIDDEN: &str = "sql-forbidden";

/// Why a request may not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Its SQL does something that the token does not cover, or that nobody may.
    #[error("{0}; if it is plain text, send it as an argument")]
    Sql(sql::Refusal),
    /// It cannot be read the way the server would.
    #[error("the body is not what this route takes: {0}")]
    Malformed(&'static str),
}

/// Looks at one SQL text that the holder of a token with `right` sends.
///
/// # Errors
/// [`Refusal::Sql`].
pub fn sql(text: &str, right: Right) -> Result<Judged, Refusal> {
    sql::judge(text.as_bytes(), right == Right::Write).map_err(Refusal::Sql)
}

/// What the texts of one request came to together.
struct Sum {
    right: Right,
    judged: Judged,
}

impl Sum {
    fn new(right: Right) -> Self {
        Self { right, judged: Judged::default() }
    }

    fn add(&mut self, text: &str) -> Result<(), Refusal> {
        let judged = sql(text, self.right)?;
        self.judged.statements = self.judged.statements.saturating_add(judged.statements);
        Ok(())
    }

    fn add_some(&mut self, text: Option<&str>) -> Result<(), Refusal> {
        text.map_or(Ok(()), |text| self.add(text))
    }
}

#[cfg(test)]
mod tests;
