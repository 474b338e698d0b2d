//! Claims that every token must have when `gate.yaml` says so, at every way in.

use demo_sqld::token::mint;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::holes::{HELLO, call, grpc_status};
use super::sockets::{Came, Socket};
use super::{Front, now};

#[test]
fn l6_tokens_without_an_end_or_an_id_are_refused_at_every_way_in() {
    let front = Front::with("requireExp: true\nrequireJti: true\n");
    let covering = json!({"rw": {"ns": ["alpha"]}});
    let (end, id) = (now() + 600, "one");
    for (claims, code) in [
        (json!({"p": covering, "exp": end, "jti": id}), ""),
        (json!({"p": covering, "jti": id}), "token-without-end"),
        (json!({"p": covering, "exp": end}), "token-without-id"),
        (json!({"p": covering, "exp": end, "jti": ""}), "token-without-id"),
    ] {
        let token = mint(&front.key, &claims).unwrap();
        let token = token.expose_secret();
        let head = [("x-namespace", "alpha")];
        let answer = front.pipeline(&front.address, &head, token, &["SELECT 1"]);
        let status = if code.is_empty() { 200 } else { 401 };
        assert_eq!(answer.status, status, "{claims}: {answer:?}");

        let mut socket = Socket::open(&front.address, "alpha", &[]).unwrap();
        let welcome = socket.hello(token);
        let bearer = format!("Bearer {token}");
        let head = [("authorization", bearer.as_str())];
        let hello = "/wal_log.ReplicationLog/Hello";
        let grpc = call(&front, &front.address, hello, "alpha", &head, HELLO);
        if code.is_empty() {
            assert!(
                matches!(&welcome, Came::Said(said) if said["type"] == "hello_ok"),
                "{welcome:?}"
            );
            assert_eq!(grpc_status(&grpc), "0", "{grpc:?}");
        } else {
            assert_eq!(answer.json()["code"], json!(code));
            let refused = |said: &Value| said["error"]["code"] == json!(code);
            assert!(matches!(&welcome, Came::Said(said) if refused(said)), "{welcome:?}");
            assert_eq!(grpc_status(&grpc), "16", "{grpc:?}");
        }
    }
}
