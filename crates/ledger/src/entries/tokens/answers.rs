//! From an answer of the server to an observation.

use crate::{Observation, Verdict};
use demo_sqld_client::hrana::Reply;

/// The outcome of a statement without what differs from run to run: the status, and the
/// code of an error inside a 200.
pub fn outcome(reply: &Reply) -> String {
    match reply.sql_error() {
        Some((code, _)) => format!("{} with {code}", reply.status),
        None if reply.status == 200 && !reply.succeeded() => "200 without a result".to_owned(),
        None => reply.status.to_string(),
    }
}

/// The observation for `answer`; the finding names an answer that is not in `foreseen`,
/// so that it shows as a change.
pub fn judge(answer: &str, foreseen: &[(&str, Verdict, &str)]) -> Observation {
    match foreseen.iter().find(|(expected, ..)| *expected == answer) {
        Some((_, verdict, finding)) => Observation::new(*verdict, *finding),
        None => Observation::new(Verdict::Differs, format!("the server answers {answer}")),
    }
}
