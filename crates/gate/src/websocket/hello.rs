//! Writes hellos, and the answer to one that is refused.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::paths::Encoding;
use crate::protobuf::{self, nested};

/// The subprotocols that the server supports, in its order of preference. Without one it
/// uses `hrana1`.
pub const PROTOCOLS: [(&str, Encoding); 4] = [
    ("hrana3-protobuf", Encoding::Protobuf),
    ("hrana3", Encoding::Json),
    ("hrana2", Encoding::Json),
    ("hrana1", Encoding::Json),
];

/// The hello that goes upstream: with the token that was verified, and nothing else.
pub fn write(encoding: Encoding, jwt: &str) -> Message {
    match encoding {
        Encoding::Json => Message::text(json!({ "type": "hello", "jwt": jwt }).to_string()),
        Encoding::Protobuf => Message::binary(nested(1, &nested(1, jwt.as_bytes()))),
    }
}

/// The answer to a hello that is refused.
pub fn refuse(encoding: Encoding, code: &str, message: &str) -> Message {
    match encoding {
        Encoding::Json => {
            let error = json!({ "message": message, "code": code });
            Message::text(json!({ "type": "hello_error", "error": error }).to_string())
        }
        Encoding::Protobuf => {
            let mut error = nested(1, message.as_bytes());
            protobuf::push(&mut error, 2, code.as_bytes());
            Message::binary(nested(2, &nested(1, &error)))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::messages::{Said, read};
    use super::*;

    proptest! {
        #[test]
        fn the_hello_that_is_written_is_the_one_that_is_read(jwt in ".{0,300}") {
            for encoding in [Encoding::Json, Encoding::Protobuf] {
                let bytes = write(encoding, &jwt).into_data();
                prop_assert_eq!(read(encoding, &bytes), Some(Said::Hello(Some(jwt.clone()))));
            }
        }
    }
}
