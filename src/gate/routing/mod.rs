//! Which server a request goes to.

mod sql;
