//! What a probe saw.

use serde::{Deserialize, Serialize};

use demo_sqld_client::hrana::Reply;
use demo_sqld_client::http::{Answer, excerpt};

/// What the observation makes of the claim; the worst first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Data can be lost, or somebody gets in.
    Weakness,
    /// A document says otherwise.
    Differs,
    /// No document says so.
    Undocumented,
    /// It is as a document says.
    AsDocumented,
}

impl Verdict {
    /// All of them, worst first.
    pub const ALL: [Self; 4] =
        [Self::Weakness, Self::Differs, Self::Undocumented, Self::AsDocumented];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weakness => "weakness",
            Self::Differs => "differs",
            Self::Undocumented => "undocumented",
            Self::AsDocumented => "as documented",
        }
    }
}

/// What was seen, and the proof.
#[derive(Clone, Debug, Serialize)]
pub struct Observation {
    pub verdict: Verdict,
    /// One sentence, the same in every run in which the server does the same:
    /// no times, no random names. The expectations compare it.
    pub finding: String,
    /// Requests and the telling parts of answers, secrets masked.
    pub evidence: Vec<String>,
}

impl Observation {
    /// An observation without evidence yet.
    pub fn new(verdict: Verdict, finding: impl Into<String>) -> Self {
        Self { verdict, finding: finding.into(), evidence: Vec::new() }
    }

    /// `yes` if the condition holds, else `no`: for probes with two possible answers.
    pub fn either(holds: bool, yes: (Verdict, &str), no: (Verdict, &str)) -> Self {
        let (verdict, finding) = if holds { yes } else { no };
        Self::new(verdict, finding)
    }

    /// Adds what was asked and what was answered.
    #[must_use]
    pub fn saw(mut self, what: impl AsRef<str>, answer: impl AsRef<str>) -> Self {
        let line = format!("{} -> {}", what.as_ref(), excerpt(answer.as_ref()));
        self.evidence.push(mask(&line));
        self
    }

    /// Adds an SQL answer.
    #[must_use]
    pub fn replied(self, what: impl AsRef<str>, reply: &Reply) -> Self {
        self.saw(what, reply.describe())
    }

    /// Adds any HTTP answer.
    #[must_use]
    pub fn answered(self, what: impl AsRef<str>, answer: &Answer) -> Self {
        self.saw(what, format!("{} {}", answer.status, answer.excerpt()))
    }
}

/// Every JWT in `text` cut to its first letters.
fn mask(text: &str) -> String {
    let word = |word: &str| match word.find("eyJ") {
        Some(at) if word[at..].len() > 24 => format!("{}eyJ***", &word[..at]),
        _ => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_evidence_is_masked() {
        let token = format!("Bearer eyJ{}", "x".repeat(60));
        let seen = Observation::new(Verdict::Differs, "x").saw(&token, &token);
        assert_eq!(seen.evidence, ["Bearer eyJ*** -> Bearer eyJ***"]);
    }
}
