//! Requests that no client library would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Front;

const BODY: &str =
    r#"{"requests":[{"type":"execute","stmt":{"sql":"SELECT x FROM t"}},{"type":"close"}]}"#;

fn say(to: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    // A connection that is cut off is an answer, too.
    let _cut = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn odd_requests_do_not_reach_another_namespace() {
    let front = Front::new();
    let token = front.rw("alpha");
    let port = front.address.rsplit_once(':').unwrap().1.to_owned();
    let ask = |target: &str, head: &str| {
        let length = BODY.len();
        say(
            &front.address,
            &format!(
                "POST {target} HTTP/1.1\r\n{head}Authorization: Bearer {token}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{BODY}"
            ),
        )
    };
    let own = [
        ("/v2/pipeline".to_owned(), "Host: alpha.localhost\r\n".to_owned()),
        ("/v2/pipeline".to_owned(), format!("Host: ALPHA.localhost:{port}\r\n")),
        ("/v2/pipeline".to_owned(), "Host: alpha.localhost.\r\n".to_owned()),
        ("/v2/pipeline".to_owned(), "Host: [::1]:80\r\nX-Namespace: alpha\r\n".to_owned()),
        (
            format!("http://alpha.localhost:{port}/v2/pipeline"),
            "Host: alpha.localhost\r\n".to_owned(),
        ),
        ("/v2/pipeline?jwt=x".to_owned(), "Host: alpha.localhost\r\n".to_owned()),
    ];
    for (target, head) in own {
        let answer = ask(&target, &head);
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains("alpha-row"),
            "{head} {answer}"
        );
    }
    for (target, head, status) in [
        ("/v2/pipeline", "Host: alpha.localhost\r\nHost: beta.localhost\r\n", 400),
        ("/v2/pipeline", "Host: beta.localhost\r\nHost: alpha.localhost\r\n", 400),
        ("/v2/pipeline", "Host: alpha.localhost\r\nX-Namespace-Bin: YmV0YQ\r\n", 400),
        ("/v2/pipeline", "Host: x\r\nX-Namespace: alpha\r\nX-Namespace: beta\r\n", 400),
        ("/v2/pipeline", "Host: x\r\nX-Namespace-Bin: YWxwaGE\r\nx-namespace-bin: YmV0YQ\r\n", 400),
        ("http://beta.localhost/v2/pipeline", "Host: alpha.localhost\r\n", 400),
        ("http://alpha.localhost/v2/pipeline", "Host: beta.localhost\r\n", 400),
        ("http://beta.localhost/v2/pipeline", "Host: beta.localhost\r\n", 403),
        ("/v2/pipeline", "Host: beta.localhost\r\nX-Forwarded-Host: alpha.localhost\r\n", 403),
        ("/dev/alpha/../beta/v2/pipeline", "Host: x\r\n", 404),
        ("/dev/alpha/%2e%2e/beta/v2/pipeline", "Host: x\r\n", 404),
        ("/dev/bet%61/v2/pipeline", "Host: x\r\n", 400),
        ("/dev/beta/v2/pipeline", "Host: x\r\n", 403),
        ("/dev/alpha/dev/beta/v2/pipeline", "Host: x\r\n", 404),
        ("//v2/pipeline", "Host: alpha.localhost\r\n", 404),
        ("/v2/../dump", "Host: alpha.localhost\r\n", 404),
        ("/dump", "Host: alpha.localhost\r\n", 404),
        ("/v2/pipeline", "Host: alpha.localhost\r\nAuthorization: Bearer x\r\n", 401),
        ("/v2/pipeline", "Host: alpha.localhost\r\nContent-Encoding: gzip\r\n", 415),
    ] {
        let answer = ask(target, head);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{target} {head}: {answer}");
        assert!(!answer.contains("-row"), "{target} {head}: {answer}");
    }
    smuggling(&front, &token);
}

/// A second request hidden in the body of the first is never answered as one.
fn smuggling(front: &Front, token: &str) {
    let hidden = format!(
        "POST /v2/pipeline HTTP/1.1\r\nHost: beta.localhost\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n{BODY}",
        BODY.len()
    );
    for framing in [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +4\r\n",
        "Content-Length: 0x4\r\n",
    ] {
        let request = format!(
            "POST /v2/pipeline HTTP/1.1\r\nHost: alpha.localhost\r\nAuthorization: Bearer {token}\r\n\
             {framing}Connection: close\r\n\r\n0\r\n\r\n{hidden}"
        );
        let answer = say(&front.address, &request);
        assert!(answer.matches("HTTP/1.1 ").count() <= 1, "{framing}: {answer}");
        assert!(
            !answer.starts_with("HTTP/1.1 200") && !answer.contains("beta-row"),
            "{framing}: {answer}"
        );
    }
    // The gate lives on.
    let answer =
        front.pipeline(&front.address, &[("x-namespace", "alpha")], token, &["SELECT x FROM t"]);
    assert!(answer.worked(), "{answer:?}");
}
