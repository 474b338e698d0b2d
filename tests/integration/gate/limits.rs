//! Size, rate, time, origins, and a server that goes away and comes back.

use std::time::{Duration, Instant};

use serde_json::json;

use super::Front;
use demo_test_support::processes::{kill_server, servers_in};
use demo_test_support::until;

#[test]
fn limits_hold_and_pages_of_known_origins_may_ask() {
    let front = Front::with_files(
        &[("revoked.txt", "")],
        "origins: [http://page.example]\nrevoked: revoked.txt\noperators: [ops]\n\
         limits: {bodyBytes: 64KiB, perNamespacePerSecond: 1, burst: 40}\n",
    );
    let head = [("x-namespace", "alpha")];
    let big = format!("SELECT '{}'", "x".repeat(70 * 1024));
    let answer = front.pipeline(&front.address, &head, &front.rw("alpha"), &[&big]);
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body-too-large")));
    assert_eq!(
        front
            .pipeline(&front.server, &[("x-namespace-bin", "YWxwaGE")], &front.rw("alpha"), &[&big])
            .status,
        200
    );

    // A page of a known origin, and of another.
    let ask = [
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization,content-type"),
    ];
    for (origin, allowed) in [("http://page.example", true), ("http://evil.example", false)] {
        let head = [ask[0], ask[1], ("origin", origin)];
        let answer =
            front.send(reqwest::Method::OPTIONS, &front.address, "/v3/pipeline", &head, "");
        let header = answer.headers.get("access-control-allow-origin");
        assert_eq!(header.is_some_and(|value| value == origin), allowed, "{answer:?}");
        let head = [("x-namespace", "alpha"), ("origin", origin)];
        let answer = front.pipeline(&front.address, &head, &front.rw("alpha"), &["SELECT 1"]);
        let values: Vec<_> = answer.headers.get_all("access-control-allow-origin").iter().collect();
        assert_eq!(values.len(), usize::from(allowed), "{answer:?}");
    }

    // A token without a namespace, for the one subject that is named.
    for (subject, status) in [("ops", 200), ("user", 403)] {
        let token = front.token(&json!({"sub": subject}));
        assert_eq!(
            front
                .pipeline(&front.address, &[("x-namespace", "beta")], &token, &["SELECT 1"])
                .status,
            status
        );
    }

    // Taken back while it is in use.
    let token = front.token(&json!({"id": "beta", "jti": "lost"}));
    let with =
        || front.pipeline(&front.address, &[("x-namespace", "beta")], &token, &["SELECT 1"]).status;
    assert_eq!(with(), 200);
    front.project.write("revoked.txt", "lost\n");
    until("it is revoked", || with() == 401);

    // The rate of one namespace is not that of another.
    let token = front.rw("alpha");
    let statuses: Vec<u16> = (0..60)
        .map(|_| front.pipeline(&front.address, &head, &token, &["SELECT 1"]).status)
        .collect();
    assert!(statuses.contains(&429), "{statuses:?}");
}

#[test]
fn a_server_that_is_gone_is_503_at_once_and_back_without_a_restart() {
    let front = Front::new();
    let token = front.rw("alpha");
    let ask = || {
        front.pipeline(&front.address, &[("x-namespace", "alpha")], &token, &["SELECT x FROM t"])
    };
    assert!(ask().worked());
    for pid in servers_in(front.project.path()) {
        kill_server(front.project.path(), pid);
    }
    // 502 while the kernel still buries the process, then 503; never anything else.
    until("the server is gone", || {
        let answer = ask();
        assert!([502, 503].contains(&answer.status), "{answer:?}");
        answer.status == 503
    });
    let started = Instant::now();
    let answer = ask();
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (503, Some("upstream-unavailable"))
    );
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    front.project.demo(["up", "--variant", "namespaced"]).success();
    until("the gate has the server again", || ask().worked());
    assert!(ask().text().contains("alpha-row"));
}
