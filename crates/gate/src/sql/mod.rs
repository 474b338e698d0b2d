//! What SQL may do for the holder of a token.
//!
//! The server checks a token against a namespace and then runs any SQL, and some SQL
//! reaches beyond the database: `readfile()` shows another tenant's rows
//! (`sql-reads-any-file` in the ledger, measured on sqld 0.24.32). Every name that
//! SQL uses must therefore be in `capabilities.txt`, in a class that the token covers.
//!
//! ```text
//! SQL --> lexer: words, names, literals --> judge: which names are used, and as what?
//!                                       --> capabilities: who may use them?
//! ```

pub mod capabilities;

mod judge;
mod lexer;
mod refusal;

pub use self::judge::judge;
pub use self::refusal::Refusal;

#[cfg(test)]
mod tests;
