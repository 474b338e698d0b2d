//! The weaknesses of the server, each asked twice with the same request: at the
//! server it is open, at the gate it is closed.

use std::path::Path;

use serde_json::{Value, json};

use super::{Answer, Front, bin, execute, now};

/// `Hello` of `wal_log`, with `handshake_version` 1.
pub(super) const HELLO: &[u8] = &[0, 0, 0, 0, 2, 0x08, 0x01];
/// `BatchLogEntries` from the first frame on.
const FROM_START: &[u8] = &[0, 0, 0, 0, 2, 0x08, 0x00];

#[test]
fn each_hole_of_the_server_is_closed() {
    let front = Front::new();
    tokens(&front);
    dev_paths(&front);
    streams(&front);
    replication(&front);
    following(&front);
    client_ids(&front);
    cors(&front);
    read_only(&front);
    // What was tried at the server did arrive there; of the gate nothing did.
    for name in ["alpha", "beta"] {
        assert!(!front.rows(name).contains("through-gate"), "{}", front.rows(name));
    }
}

#[test]
fn a_replica_behind_the_gate_does_nothing_for_a_stranger() {
    // The gate's only server is the replica, which is the one that loads and
    // makes folders before it looks at a token.
    let front = Front::new();
    let replica = format!("127.0.0.1:{}", front.project.ports()[3]);
    front.project.edit("gate.yaml", &front.server, &replica);
    let (mut gate, address) = super::open(&front.project);
    let folder = |name: &str| {
        let found = find(&front.project.local("data"), name);
        found.into_iter().any(|path| path.to_string_lossy().contains("replica"))
    };
    for (head, made) in [(bin("beta"), "beta"), (bin("../../strange"), "strange")] {
        let head = [("x-namespace-bin", head.as_str())];
        let answer = front.pipeline(&address, &head, "", &["SELECT 1"]);
        assert!([400, 401].contains(&answer.status), "{answer:?}");
        assert!(!folder(made), "{made} was made through the gate");
    }
    // The same at the replica itself.
    let direct = front.pipeline(&replica, &[("x-namespace-bin", &bin("beta"))], "", &["SELECT 1"]);
    assert_eq!(direct.status, 401);
    assert!(folder("beta"), "the replica makes no folder any more");
    gate.signal(rustix::process::Signal::TERM);
    assert!(gate.end().success());
}

fn find(folder: &Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name() == name {
            found.push(entry.path());
        }
        if entry.path().is_dir() {
            found.extend(find(&entry.path(), name));
        }
    }
    found
}

/// P10, P13, P14, P70: tokens that the server takes.
fn tokens(front: &Front) {
    let name = bin("beta");
    let head = [("x-namespace-bin", name.as_str())];
    let claims = |more: Value| {
        let mut claims = json!({"p": {"rw": {"ns": ["beta"]}}});
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        front.token(&claims)
    };
    for (what, token, status) in [
        ("no claims", front.token(&json!({})), 403),
        ("a subject", front.token(&json!({"sub": "user-1"})), 403),
        ("expired within the leeway", claims(json!({"exp": now() - 30})), 401),
        ("not valid yet", claims(json!({"nbf": now() + 3600})), 401),
    ] {
        let direct = front.pipeline(&front.server, &head, &token, &["SELECT x FROM t"]);
        assert!(direct.worked() && direct.text().contains("beta-row"), "{what}: {direct:?}");
        let gated = front.pipeline(&front.address, &head, &token, &["SELECT x FROM t"]);
        assert_eq!(gated.status, status, "{what}: {gated:?}");
    }
    let missing = [("x-namespace-bin", "bm9ib2R5")];
    assert_eq!(front.pipeline(&front.server, &missing, "", &["SELECT 1"]).status, 404);
    assert_eq!(front.pipeline(&front.address, &missing, "", &["SELECT 1"]).status, 401);
}

/// P07 to P09, P86: a path that is authenticated against another namespace.
fn dev_paths(front: &Front) {
    let token = front.token(&json!({"p": {"ro": {"ns": ["beta"]}, "rw": {"ns": ["alpha"]}}}));
    let ask = |to: &str, word: &str| {
        let head = [("host", "alpha.localhost")];
        let sql = format!("INSERT INTO t VALUES ('{word}')");
        front.pipeline_at(to, "/dev/beta/v2/pipeline", &head, &token, &[&sql])
    };
    assert!(ask(&front.server, "dev-direct").worked());
    assert!(front.rows("beta").contains("dev-direct"));
    assert_eq!(ask(&front.address, "dev-through-gate").status, 400);
    // And by the path alone, with the rights of its namespace.
    let sql = "INSERT INTO t VALUES ('dev-through-gate')";
    let answer = front.pipeline_at(&front.address, "/dev/beta/v2/pipeline", &[], &token, &[sql]);
    assert_eq!(answer.status, 403, "{answer:?}");
}

/// A stream of one namespace goes on under another, whose rights then count.
fn streams(front: &Front) {
    let mixed = front.token(&json!({"p": {"ro": {"ns": ["beta"]}, "rw": {"ns": ["alpha"]}}}));
    let two = (front.ro("beta"), front.rw("alpha"));
    for (reader, writer) in [(&mixed, &mixed), (&two.0, &two.1)] {
        for path in ["/v2/pipeline", "/v3/pipeline"] {
            let attempt = |to: &str, word: &str| {
                let opened = stream(front, to, path, "beta", reader, None, "SELECT 1");
                let baton = opened.json()["baton"].as_str().unwrap().to_owned();
                let sql = format!("INSERT INTO t VALUES ('{word}')");
                let crossed = stream(front, to, path, "alpha", writer, Some(&baton), &sql);
                // Its own namespace can go on with it.
                (crossed, stream(front, to, path, "beta", reader, Some(&baton), "SELECT x FROM t"))
            };
            let (direct, _) = attempt(&front.server, "stream-direct");
            assert!(direct.worked(), "{direct:?}");
            assert!(front.rows("beta").contains("stream-direct"));
            let (gated, own) = attempt(&front.address, "stream-through-gate");
            assert_eq!(
                (gated.status, gated.json()["code"].as_str()),
                (400, Some("STREAM_EXPIRED"))
            );
            assert!(own.worked() && own.text().contains("beta-row"), "{own:?}");
        }
    }
    // The stream of a cursor, too.
    let token = front.rw("alpha");
    let bearer = format!("Bearer {token}");
    let head = [("authorization", bearer.as_str()), ("x-namespace", "alpha")];
    let body = json!({"batch": {"steps": [{"stmt": {"sql": "SELECT 1"}}]}}).to_string();
    let cursor = front.post(&front.address, "/v3/cursor", &head, body);
    let text = cursor.text();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let baton = line["baton"].as_str().unwrap();
    let path = "/v3/pipeline";
    let own = stream(front, &front.address, path, "alpha", &token, Some(baton), "SELECT x FROM t");
    assert!(own.worked() && own.text().contains("alpha-row"), "{own:?}");
}

fn stream(
    front: &Front,
    to: &str,
    path: &str,
    name: &str,
    token: &str,
    baton: Option<&str>,
    sql: &str,
) -> Answer {
    let bearer = format!("Bearer {token}");
    let name = bin(name);
    let head = [("authorization", bearer.as_str()), ("x-namespace-bin", name.as_str())];
    let body = json!({"baton": baton, "requests": [execute(sql)]});
    front.post(to, path, &head, body.to_string())
}

pub(super) fn call(
    front: &Front,
    to: &str,
    path: &str,
    name: &str,
    head: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let name = bin(name);
    let mut all =
        vec![("x-namespace-bin", name.as_str()), ("content-type", "application/grpc-web+proto")];
    all.extend_from_slice(head);
    front.post(to, path, &all, body)
}

/// 0 also when it is in the trailers of the body.
pub(super) fn grpc_status(answer: &Answer) -> String {
    let text = answer.text();
    let in_body =
        || text.split("grpc-status:").nth(1).map(|it| it.lines().next().unwrap().to_owned());
    let in_head = answer.headers.get("grpc-status").map(|it| it.to_str().unwrap().to_owned());
    in_head.or_else(in_body).unwrap_or_else(|| format!("none: {answer:?}"))
}

/// P01, P02: the log of any namespace for any token.
fn replication(front: &Front) {
    let bearer = format!("Bearer {}", front.rw("alpha"));
    let copy = |to: &str, name: &str, token: (&str, &str)| {
        let hello = call(front, to, "/wal_log.ReplicationLog/Hello", name, &[token], HELLO);
        let session = session(&hello.body);
        let head = [token, ("x-session-token", session.as_str())];
        (hello, call(front, to, "/wal_log.ReplicationLog/BatchLogEntries", name, &head, FROM_START))
    };
    for header in ["authorization", "x-authorization"] {
        let token = (header, bearer.as_str());
        let (_, direct) = copy(&front.server, "beta", token);
        assert!(direct.text().contains("beta-row"), "the server hands it out: {direct:?}");
        let (_, own) = copy(&front.address, "alpha", token);
        assert!(own.text().contains("alpha-row"), "{own:?}");
        let (hello, log) = copy(&front.address, "beta", token);
        assert_eq!((grpc_status(&hello), grpc_status(&log)), ("7".to_owned(), "7".to_owned()));
        assert!(!log.text().contains("beta-row"));
    }
    // A session of the own namespace, in the other.
    let token = ("authorization", bearer.as_str());
    let hello =
        call(front, &front.address, "/wal_log.ReplicationLog/Hello", "alpha", &[token], HELLO);
    let session = session(&hello.body);
    let head = [token, ("x-session-token", session.as_str())];
    for path in [
        "/wal_log.ReplicationLog/BatchLogEntries",
        "/wal_log.ReplicationLog/Snapshot",
        "/wal_log.ReplicationLog/LogEntries",
    ] {
        assert_eq!(grpc_status(&call(front, &front.address, path, "beta", &head, FROM_START)), "7");
        assert_eq!(grpc_status(&call(front, &front.address, path, "beta", &[], FROM_START)), "16");
    }
    assert!(
        call(
            front,
            &front.server,
            "/wal_log.ReplicationLog/BatchLogEntries",
            "beta",
            &head,
            FROM_START
        )
        .text()
        .contains("beta-row")
    );
}

/// A replica that follows the log is cut off when its token ends.
fn following(front: &Front) {
    let bearer = format!("Bearer {}", front.token(&json!({"id": "alpha", "exp": now() + 3})));
    let token = ("authorization", bearer.as_str());
    let path = "/wal_log.ReplicationLog/Hello";
    let hello = call(front, &front.address, path, "alpha", &[token], HELLO);
    let session = session(&hello.body);
    let head = [token, ("x-session-token", session.as_str())];
    let path = "/wal_log.ReplicationLog/LogEntries";
    let log = call(front, &front.address, path, "alpha", &head, FROM_START);
    assert!(log.text().contains("alpha-row"), "{log:?}");
    assert_eq!(grpc_status(&log), "16", "{log:?}");
}

/// Field 4 of the answer to a hello: 36 characters of a UUID.
fn session(body: &[u8]) -> String {
    let place = body.windows(2).position(|pair| pair == [0x22, 36]);
    place
        .map_or_else(String::new, |at| String::from_utf8_lossy(&body[at + 2..at + 38]).into_owned())
}

fn field(number: u8, content: &[u8]) -> Vec<u8> {
    assert!(content.len() < 128);
    [&[number << 3 | 2, u8::try_from(content.len()).unwrap()], content].concat()
}

pub fn program(client: &str, sql: &str) -> Vec<u8> {
    let query = [field(1, sql.as_bytes()), field(2, &[])].concat();
    let message = [field(1, client.as_bytes()), field(2, &field(1, &field(2, &query)))].concat();
    [&[0, 0, 0, 0, u8::try_from(message.len()).unwrap()], message.as_slice()].concat()
}

/// A connection of a replica's client id is that of another namespace.
fn client_ids(front: &Front) {
    let (reader, writer) = (front.ro("beta"), front.rw("alpha"));
    let attempt = |to: &str, id: &str, word: &str| {
        let run = |name: &str, token: &str, sql: &str| {
            let bearer = format!("Bearer {token}");
            let head = [("authorization", bearer.as_str())];
            call(front, to, "/proxy.Proxy/Execute", name, &head, &program(id, sql))
        };
        let read = run("beta", &reader, "SELECT x FROM t");
        assert!(read.text().contains("beta-row"), "{read:?}");
        let sql = format!("INSERT INTO t VALUES ('{word}')");
        assert_eq!(grpc_status(&run("beta", &reader, &sql)), "7", "read-only");
        assert_eq!(grpc_status(&run("beta", &writer, &sql)), "7", "another's");
        run("alpha", &writer, &sql)
    };
    let direct = attempt(&front.server, "00000000000000000000000000000001", "id-direct");
    assert_eq!(grpc_status(&direct), "0");
    assert!(front.rows("beta").contains("id-direct"), "{}", front.rows("beta"));
    let gated = attempt(&front.address, "00000000000000000000000000000002", "id-gated");
    assert_eq!(grpc_status(&gated), "0");
    assert!(front.rows("alpha").contains("id-gated"), "it is written where it belongs");
    assert!(!front.rows("beta").contains("id-gated"));
    // P82, P04: the header that names rights, and calls that only servers make.
    let bearer = format!("Bearer {writer}");
    let head = [("authorization", bearer.as_str()), ("x-proxy-authorization", "\"FullAccess\"")];
    let answer = call(
        front,
        &front.address,
        "/proxy.Proxy/Execute",
        "beta",
        &head,
        &program("x", "SELECT 1"),
    );
    assert_eq!(grpc_status(&answer), "7");
    let stream = call(front, &front.address, "/proxy.Proxy/StreamExec", "alpha", &head, HELLO);
    assert_eq!((stream.status, grpc_status(&stream).as_str()), (200, "12"), "{stream:?}");
}

/// P83: pages of any origin.
fn cors(front: &Front) {
    let head = [("origin", "http://evil.example"), ("access-control-request-method", "POST")];
    let options = |to: &str| front.send(reqwest::Method::OPTIONS, to, "/v2/pipeline", &head, "");
    assert_eq!(options(&front.server).headers["access-control-allow-origin"], "*");
    let gated = options(&front.address);
    assert!(!gated.headers.contains_key("access-control-allow-origin"), "{gated:?}");
    let head = [("x-namespace", "alpha"), ("origin", "http://evil.example")];
    let answer = front.pipeline(&front.address, &head, &front.rw("alpha"), &["SELECT 1"]);
    assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
}

/// A token that may only read, at every endpoint that can write: the server says no.
fn read_only(front: &Front) {
    let bearer = format!("Bearer {}", front.ro("alpha"));
    let statement = json!({"stmt": {"sql": "INSERT INTO t VALUES ('ro-through-gate')"}});
    let batch = json!({"batch": {"steps": [statement]}});
    let sequence = json!({"type": "sequence", "sql": "INSERT INTO t VALUES ('ro-through-gate')"});
    for (path, body) in [
        ("/", json!({"statements": ["INSERT INTO t VALUES ('ro-through-gate')"]})),
        ("/v1/execute", statement.clone()),
        ("/v1/batch", batch.clone()),
        (
            "/v2/pipeline",
            json!({"requests": [execute("INSERT INTO t VALUES ('ro-through-gate')")]}),
        ),
        ("/v3/pipeline", json!({"requests": [sequence]})),
        ("/v3/cursor", batch),
        ("/dev/alpha/v2/pipeline", json!({"requests": [execute("DELETE FROM t")]})),
    ] {
        let head = [("authorization", bearer.as_str()), ("x-namespace", "alpha")];
        let answer = front.post(&front.address, path, &head, body.to_string());
        // A cursor breaks off instead, after its head.
        assert!(answer.status == 403 || path == "/v3/cursor", "{path}: {answer:?}");
    }
    assert!(front.rows("alpha").contains("alpha-row"));
}
