//! Why no token was issued: a status, a code for programs, and a message.
//!
//! All messages are fixed: none contains a part of a request or of a server's answer.

use std::time::Duration;

use axum::http::StatusCode;

use demo_service::problem::Problem;

/// Why a request got no token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refusal {
    /// No `Authorization: Bearer`, or several.
    NoLogin,
    /// The login is too long.
    Oversized,
    /// Not a JWT, or one with claims of the wrong type.
    Malformed,
    /// Signed with an algorithm that the issuer does not use.
    Algorithm,
    /// The issuer has no such key.
    UnknownKey,
    /// The signature is not valid.
    Signature,
    Expired,
    /// `nbf` is in the future.
    NotYet,
    Issuer,
    Audience,
    Role,
    /// No subject, or one from which no namespace name can be made.
    Subject,
    /// A claim that grants rights is not valid.
    Claim,
    /// The issuer itself refuses the login.
    LoginEnded,
    /// The body is larger than any request needs.
    Body,
    /// Too many requests of one user or one address.
    TooMany(Duration),
    /// The issuer does not answer, and the login cannot be verified without it.
    IssuerAway,
    /// The issuer's answer cannot be used.
    IssuerAnswer,
    /// The database server does not answer.
    ServerAway,
    /// The database server refused to create the namespace.
    ServerRefused,
    /// The schema could not be applied.
    Schema,
    /// The request took too long.
    TooSlow,
    /// An error in the mint itself.
    Internal,
}

impl Refusal {
    /// The code for programs, which does not change with the message.
    pub fn code(self) -> &'static str {
        self.parts().1
    }

    /// Whether the cause is on the server side.
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
            Self::Oversized => bad("oversized-login", "the login is too long"),
            Self::Malformed => bad("malformed-login", "the login is not a valid token"),
            Self::Algorithm => bad("wrong-algorithm", "the issuer does not use this algorithm"),
            Self::UnknownKey => bad("unknown-key", "the issuer has no such key"),
            Self::Signature => bad("bad-signature", "the issuer did not sign this login"),
            Self::Expired => bad("expired", "the login has expired: sign in again"),
            Self::NotYet => bad("not-yet-valid", "the login is not valid yet"),
            Self::Issuer => bad("wrong-issuer", "the login is from another issuer"),
            Self::Audience => bad("wrong-audience", "the login is for another audience"),
            Self::Role => bad("wrong-role", "the login has another role"),
            Self::Subject => {
                bad("unusable-subject", "no namespace can be named after the login's subject")
            }
            Self::Claim => bad("unusable-claim", "a claim of the login is not valid"),
            Self::LoginEnded => {
                bad("login-refused", "the issuer no longer accepts this login: sign in again")
            }
            Self::Body => {
                (S::PAYLOAD_TOO_LARGE, "body-too-large", "the body is too large: send no body")
            }
            Self::TooMany(_) => (S::TOO_MANY_REQUESTS, "too-many-requests", "too many requests"),
            Self::IssuerAway => {
                (S::SERVICE_UNAVAILABLE, "issuer-away", "the login issuer does not answer")
            }
            Self::IssuerAnswer => {
                (S::BAD_GATEWAY, "issuer-answer", "the login issuer's answer cannot be used")
            }
            Self::ServerAway => {
                (S::SERVICE_UNAVAILABLE, "server-away", "the database server does not answer")
            }
            Self::ServerRefused => {
                (S::BAD_GATEWAY, "server-refused", "the database server created no namespace")
            }
            Self::Schema => {
                (S::BAD_GATEWAY, "schema-failed", "cannot create the tables of the namespace")
            }
            Self::TooSlow => (S::GATEWAY_TIMEOUT, "too-slow", "it took too long: try again"),
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
