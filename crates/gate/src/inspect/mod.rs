//! Finds the SQL in a request, wherever it is, and has [`sql`](mod@super::sql) judge it.

mod json;
mod protobuf;
mod proxy;

pub use self::json::check as json;
pub use self::protobuf::{cursor, pipeline};
pub use self::proxy::{Call, check as call};

use super::rights::Right;
use super::sql;
pub use super::sql::Judged;

/// The error code of [`Refusal::Sql`].
pub const SQL_FORBIDDEN: &str = "sql-forbidden";

/// Why a request may not pass.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Its SQL does something that the token does not allow, or that is never allowed.
    #[error("{0}; if it is data, send it as an argument")]
    Sql(sql::Refusal),
    /// It cannot be read the way the server would read it.
    #[error("the body is not valid for this route: {0}")]
    Malformed(&'static str),
}

/// Checks one SQL text from a client with `right`.
///
/// # Errors
/// [`Refusal::Sql`].
pub fn sql(text: &str, right: Right) -> Result<Judged, Refusal> {
    sql::judge(text.as_bytes(), right == Right::Write).map_err(Refusal::Sql)
}

/// The sum over all SQL texts of one request.
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
