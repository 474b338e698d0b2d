//! Why no token was given: a status, a word for programs, a sentence.
//!
//! All texts are fixed: nothing of a request or of a server's answer gets into one.

use std::time::Duration;

use axum::http::StatusCode;

use demo_service::problem::Problem;

/// Why a request got no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// No `Authorization: Bearer`, or several.
    NoLogin,
    /// Longer than any login.
    Oversized,
    /// No JWT, or one with claims of the wrong kind.
    Malformed,
    /// Not signed as this issuer signs.
    Algorithm,
    /// The issuer has no such key.
    UnknownKey,
    /// The key does not verify it.
    Signature,
    Expired,
    /// Good from a later time on.
    NotYet,
    Issuer,
    Audience,
    Role,
    /// No subject, or none that a namespace can be named after.
    Subject,
    /// A claim that gives rights makes no sense.
    Claim,
    /// The issuer itself says no.
    LoginEnded,
    /// The body is larger than any request needs.
    Body,
    /// Too often, for one user or one address.
    TooMany(Duration),
    /// The issuer cannot be asked, and without it the login cannot be judged.
    IssuerAway,
    /// The issuer answered, but not usefully.
    IssuerAnswer,
    /// The database server does not answer.
    ServerAway,
    /// The database server refused to make the namespace.
    ServerRefused,
    /// The schema could not be applied.
    Schema,
    /// Not done in time.
    TooSlow,
    /// A fault of the mint's own.
    Internal,
}

impl Refusal {
    /// The word for programs, which does not change with the wording.
    pub fn code(self) -> &'static str {
        self.parts().1
    }

    /// Whether the fault lies on this side of the request.
    pub fn is_ours(self) -> bool {
        self.parts().0.is_server_error()
    }

    fn parts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        let bad = |code, detail| (S::UNAUTHORIZED, code, detail);
        match self {
            Self::NoLogin => {
                bad("no-login", "send exactly one header `Authorization: Bearer` with the login")
            }
            Self::Oversized => bad("oversized-login", "the login is longer than any should be"),
            Self::Malformed => bad("malformed-login", "the login is no token of the issuer"),
            Self::Algorithm => bad("wrong-algorithm", "the issuer does not sign in this way"),
            Self::UnknownKey => bad("unknown-key", "the issuer has no such key"),
            Self::Signature => bad("bad-signature", "the issuer did not sign this login"),
            Self::Expired => bad("expired", "the login has expired: sign in again"),
            Self::NotYet => bad("not-yet-valid", "the login is not valid yet"),
            Self::Issuer => bad("wrong-issuer", "the login is of another issuer"),
            Self::Audience => bad("wrong-audience", "the login is meant for somebody else"),
            Self::Role => bad("wrong-role", "the login is of another role"),
            Self::Subject => {
                bad("unusable-subject", "the login names no user whom a namespace can be for")
            }
            Self::Claim => bad("unusable-claim", "a claim of the login makes no sense"),
            Self::LoginEnded => {
                bad("login-refused", "the issuer does not know this login any more")
            }
            Self::Body => {
                (S::PAYLOAD_TOO_LARGE, "body-too-large", "the request needs no body at all")
            }
            Self::TooMany(_) => (S::TOO_MANY_REQUESTS, "too-many-requests", "too many requests"),
            Self::IssuerAway => {
                (S::SERVICE_UNAVAILABLE, "issuer-away", "the login issuer does not answer")
            }
            Self::IssuerAnswer => {
                (S::BAD_GATEWAY, "issuer-answer", "the login issuer gave no useful answer")
            }
            Self::ServerAway => {
                (S::SERVICE_UNAVAILABLE, "server-away", "the database server does not answer")
            }
            Self::ServerRefused => {
                (S::BAD_GATEWAY, "server-refused", "the database server made no namespace")
            }
            Self::Schema => {
                (S::BAD_GATEWAY, "schema-failed", "the tables of the namespace could not be made")
            }
            Self::TooSlow => (S::GATEWAY_TIMEOUT, "too-slow", "not done in time: try again"),
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "the mint failed"),
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code, detail) = refusal.parts();
        match refusal {
            Refusal::TooMany(wait) => Self::too_many(detail, wait),
            _ => Self::new(status, code, detail),
        }
    }
}
