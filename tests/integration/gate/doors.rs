//! Every door to the own namespace and to another.

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::{Front, bin};

#[test]
fn every_door_opens_to_the_own_namespace_and_no_other() {
    let front = Front::new();
    let port = front.address.rsplit_once(':').unwrap().1.to_owned();
    let token = front.rw("alpha");
    for (own, name) in [(true, "alpha"), (false, "beta")] {
        let host = format!("{name}.localhost:{port}");
        let dev = format!("/dev/{name}/v2/pipeline");
        let doors: [(&str, Vec<(&str, &str)>); 4] = [
            ("/v2/pipeline", vec![("host", &host)]),
            ("/v2/pipeline", vec![("x-namespace", name)]),
            ("/v3/pipeline", vec![("x-namespace-bin", if own { "YWxwaGE" } else { "YmV0YQ" })]),
            (&dev, vec![]),
        ];
        for (path, head) in doors {
            let answer =
                front.pipeline_at(&front.address, path, &head, &token, &["SELECT x FROM t"]);
            if own {
                assert!(
                    answer.worked() && answer.text().contains("alpha-row"),
                    "{head:?} {answer:?}"
                );
            } else {
                assert_eq!(answer.status, 403, "{path} {head:?} {answer:?}");
                assert_eq!(answer.json()["code"], "namespace-forbidden");
                assert!(!answer.text().contains("beta-row"));
            }
        }
    }
    // Two doors that lead elsewhere, and none at all.
    let both = [("x-namespace", "alpha"), ("x-namespace-bin", &bin("beta"))];
    let answer = front.pipeline(&front.address, &both, &token, &["SELECT 1"]);
    assert_eq!(
        (answer.status, answer.json()["code"].as_str().unwrap().to_owned()),
        (400, "namespace-disagreement".to_owned())
    );
    let answer = front.pipeline(&front.address, &[], &token, &["SELECT 1"]);
    assert_eq!(answer.status, 400);
    // Without a token it is the same whether the namespace exists or not.
    let missing = front.pipeline(&front.address, &[("x-namespace", "nobody")], "", &["SELECT 1"]);
    let there = front.pipeline(&front.address, &[("x-namespace", "alpha")], "", &["SELECT 1"]);
    assert_eq!((missing.status, missing.body), (there.status, there.body));
    assert_eq!(there.status, 401);
    every_endpoint(&front, &token);
    let secrets = [token];
    let log = front.close();
    assert!(log.iter().any(|line| line.contains("refused")), "{log:?}");
    for line in log {
        assert!(!secrets.iter().any(|secret| line.contains(secret.as_str())), "{line}");
        assert!(!line.contains("Bearer") && !line.contains("SELECT"), "{line}");
    }
}

/// Each passes for the own namespace; none for the other, though the server
/// itself would be asked the same.
fn every_endpoint(front: &Front, token: &str) {
    let bearer = format!("Bearer {token}");
    let statement = json!({"stmt": {"sql": "SELECT x FROM t"}});
    let batch = json!({"batch": {"steps": [statement]}});
    let pipeline = json!({"requests": [super::execute("SELECT x FROM t")]});
    for (path, body) in [
        ("/", json!({"statements": ["SELECT x FROM t"]})),
        ("/v1/execute", statement.clone()),
        ("/v1/batch", batch.clone()),
        ("/v2/pipeline", pipeline.clone()),
        ("/v3/pipeline", pipeline),
        ("/v3/cursor", batch),
    ] {
        let ask = |name| {
            let head = [("authorization", bearer.as_str()), ("x-namespace", name)];
            front.post(&front.address, path, &head, body.to_string())
        };
        let own = ask("alpha");
        assert!(own.status == 200 && own.text().contains("alpha-row"), "{path} {own:?}");
        assert_eq!(ask("beta").status, 403, "{path}");
    }
    for path in [
        "/dump",
        "/console",
        "/v1",
        "/v1/jobs",
        "/v1/namespaces/alpha/create",
        "/alpha/listen",
        "/v2/pipeline/",
    ] {
        let head = [("authorization", bearer.as_str()), ("x-namespace", "alpha")];
        for method in [reqwest::Method::GET, reqwest::Method::POST] {
            let answer = front.send(method, &front.address, path, &head, "{}");
            assert_eq!(
                (answer.status, answer.json()["code"].as_str()),
                (404, Some("route-unknown")),
                "{path}"
            );
        }
    }
    let metrics = "demo_gate_requests_total{route=\"/v2/pipeline\",status=\"200\"}";
    for (address, path, part) in [
        (&front.address, "/version", "demo gate"),
        (&front.address, "/v3", "Hrana"),
        (&front.admin, "/health", "ok"),
        (&front.admin, "/healthz", "ok"),
        (&front.admin, "/metrics", metrics),
    ] {
        let answer = front.send(reqwest::Method::GET, address, path, &[], "");
        assert!(answer.status == 200 && answer.text().contains(part), "{path} {answer:?}");
    }
    let counted = front.send(reqwest::Method::GET, &front.admin, "/metrics", &[], "").text();
    assert!(!counted.contains("alpha") && !counted.contains("/dev"), "{counted}");
    head_over_http2(front);
}

/// Over HTTP/2 the body of an answer to HEAD is a broken answer, not an empty one.
fn head_over_http2(front: &Front) {
    let request = axum::http::Request::head(format!("http://{}/v2/pipeline", front.address));
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let answer = front.runtime.block_on(async {
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        (head.status, body.collect().await.unwrap().to_bytes())
    });
    assert_eq!((answer.0.as_u16(), answer.1.as_ref()), (405, b"".as_slice()));
}
