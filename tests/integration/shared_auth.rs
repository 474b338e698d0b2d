//! `demo auth serve` with the real npm client, on local files and on libSQL.

mod findings;

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::gate::field;
use demo_test_support::processes::{kill_server, pid_in};
use demo_test_support::{Background, Project, tool, until};

/// How late a revocation may be on another instance with an embedded replica, in seconds.
const LATE: &str = "2";

/// An instance that listens on a port of its own.
struct Instance {
    process: Background,
    url: String,
    admin: String,
}

impl Instance {
    fn start(project: &Project, config: &str, text: &str) -> Self {
        project.write(config, format!("admin: 127.0.0.1:0\n{text}"));
        let listen = "127.0.0.1:0";
        let args = ["auth", "serve", "-c", config, "--listen", listen, "--log-level", "debug"];
        let mut process = Background::start(project.command(args));
        let line = process.until_says("listening");
        let url = |name: &str| {
            let address: SocketAddr = field(&line, name).parse().unwrap();
            format!("http://{address}/")
        };
        let (url, admin) = (url("address"), url("admin"));
        Self { process, url, admin }
    }

    /// Status and body of a request.
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Vec<u8>) -> (u16, Value) {
        let url = format!("{}{}", self.url, path.trim_start_matches('/'));
        let (method, token) = (method.to_owned(), token.map(str::to_owned));
        let (status, text) = wait(async move {
            let client = reqwest::Client::new();
            let mut request = client.request(method.parse().unwrap(), url).body(body);
            if let Some(token) = token {
                request = request.bearer_auth(token);
            }
            let response = request.timeout(Duration::from_secs(30)).send().await.unwrap();
            (response.status().as_u16(), response.text().await.unwrap())
        });
        (status, serde_json::from_str(&text).unwrap())
    }

    fn put(&self, name: &str, password: &str) -> (u16, Value) {
        let body = json!({ "name": name, "password": password, "type": "user" });
        let path = format!("/-/user/org.couchdb.user:{name}");
        self.ask("PUT", &path, None, body.to_string().into_bytes())
    }

    fn token(&self, name: &str) -> String {
        let (status, body) = self.put(name, "Correct-horse-7");
        assert_eq!(status, 201, "{body}");
        body["token"].as_str().unwrap().to_owned()
    }

    fn whoami(&self, token: &str) -> u16 {
        self.ask("GET", "/-/whoami", Some(token), Vec::new()).0
    }
}

fn script(name: &str, args: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let mut line = vec![path.to_str().unwrap()];
    line.extend(args);
    let output = Command::new("node").args(&line).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains(", 0 failed"), "{text}{output:?}");
}

const LOCAL: &str = "storage: ./s\nauth:\n  htpasswd:\n    max_users: 40\n";
/// For the load, whose clients all come from this machine: each name has an address of
/// its own behind a proxy.
const MANY_ADDRESSES: &str = "trustedProxies: [127.0.0.1]\n";

/// Two instances with an own replica each, or with none.
fn libsql(project: &Project, replicas: bool, most: u32) -> [Instance; 2] {
    let url = format!("http://127.0.0.1:{}", project.ports()[0]);
    let token = project.read(".local/jwt/jwt.token");
    let instance = |number: u8| {
        let replica = format!(
            "    replicaPath: ./replica-{number}/auth.db\n    syncIntervalSecs: {LATE}\n    \
             serveStaleSecs: 60\n"
        );
        let replica = if replicas { replica } else { String::new() };
        let text = format!(
            "{MANY_ADDRESSES}auth:\n  htpasswd:\n    max_users: {most}\nbackend:\n  libsql:\n    url: {url}\n    \
             authToken: {}\n{replica}",
            token.trim()
        );
        Instance::start(project, &format!("auth-{number}.yaml"), &text)
    };
    [instance(1), instance(2)]
}

#[test]
fn npm_finds_its_way_with_local_files() {
    let project = Project::without_server();
    // Two processes of one machine may share the files.
    let one = Instance::start(&project, "auth.yaml", LOCAL);
    let two = Instance::start(&project, "auth.yaml", LOCAL);
    script("login-session.mjs", &[&one.url, &two.url]);
    let line = project.read("s/htpasswd");
    assert!(line.starts_with("alice:$2y$10$") && line.lines().count() == 1, "{line}");
    // Whoever is removed from the file has no valid token any more.
    let token = one.token("alice");
    assert_eq!(two.whoami(&token), 200);
    project.write("s/htpasswd", "");
    assert_eq!([one.whoami(&token), two.whoami(&token)], [401, 401]);
}

#[test]
fn npm_finds_its_way_on_two_instances_with_one_libsql_server() {
    let project = Project::up(&[]);
    let [one, two] = libsql(&project, false, 40);
    script("login-session.mjs", &[&one.url, &two.url]);
    script("login-load.mjs", &["--seconds", "5", "--max-users", "40", &one.url, &two.url]);
}

#[test]
fn npm_finds_its_way_on_two_instances_with_embedded_replicas() {
    let project = Project::up(&[]);
    let [one, two] = libsql(&project, true, 40);
    script("login-session.mjs", &["--late", LATE, &one.url, &two.url]);
    let late = ["--late", LATE, "--seconds", "5", "--max-users", "40"];
    script("login-load.mjs", &[&late[..], &[&one.url, &two.url]].concat());
}

#[test]
fn an_outage_of_the_primary_loses_nothing_that_was_acknowledged() {
    let project = Project::up(&[]);
    let [one, two] = libsql(&project, true, 40);
    let load = std::thread::scope(|scope| {
        let args = ["--late", LATE, "--seconds", "8", "--max-users", "40", &one.url, &two.url];
        let load = scope.spawn(move || script("login-load.mjs", &args));
        until("users are there", || one.put("probe", "x").0 == 201);
        let pid = pid_in(&project.local("run/standing/primary.pid"));
        kill_server(project.path(), pid);
        until("a login is refused", || one.put("probe", "x").0 == 503);
        project.demo(["up"]).success();
        until("a login works again", || two.put("probe", "x").0 == 201);
        load.join()
    });
    load.unwrap();
}

#[test]
fn an_embedded_replica_answers_for_known_tokens_while_its_primary_is_away() {
    let project = Project::up(&[]);
    let [one, two] = libsql(&project, true, 40);
    let (kept, revoked) = (one.token("alice"), one.token("alice"));
    until("the other replica has the token", || {
        let (_, metrics) = (two.whoami(&kept), metrics(&two));
        metrics.contains("replica_lookups_total") && !metrics.contains("replica_lookups_total 0")
    });
    let path = format!("/-/user/token/{revoked}");
    assert_eq!(one.ask("DELETE", &path, Some(&kept), Vec::new()).0, 200);
    assert_eq!(one.whoami(&revoked), 401, "at once where it was revoked");
    let since = Instant::now();
    until("it is unknown on the other one", || two.whoami(&revoked) == 401);
    // One more second for a machine that is busy with other tests.
    let bound = Duration::from_secs(LATE.parse::<u64>().unwrap() + 1);
    assert!(since.elapsed() < bound, "{:?}", since.elapsed());
    project.demo(["down"]).success();
    assert_eq!([one.whoami(&kept), two.whoami(&kept)], [200, 200]);
    // What the replica does not have might have been made elsewhere meanwhile.
    assert_eq!([one.whoami(&revoked), two.whoami(&revoked)], [503, 503]);
    let (status, body) = one.put("alice", "Correct-horse-7");
    assert_eq!((status, body["code"].as_str()), (503, Some("database-away")));
    let (status, body) = one.ask("GET", "/-/npm/v1/tokens", Some(&kept), Vec::new());
    assert_eq!(status, 503, "{body}");
}

fn metrics(instance: &Instance) -> String {
    let url = format!("{}metrics", instance.admin);
    wait(async move { reqwest::get(url).await.unwrap().text().await.unwrap() })
}

/// On a thread of its own, since `until` runs its looks inside a runtime.
fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    std::thread::spawn(move || runtime.block_on(work)).join().unwrap()
}

#[test]
fn registration_is_closed_unless_a_number_opens_it() {
    let project = Project::without_server();
    let closed = Instance::start(&project, "auth.yaml", "storage: ./s\n");
    let (status, body) = closed.put("alice", "x");
    // Not "there is no such user": the names could be listed.
    assert_eq!((status, &body["code"]), (401, &json!("wrong-password")));
    let one = "storage: ./s\nauth:\n  htpasswd:\n    max_users: 1\n";
    let open = Instance::start(&project, "open.yaml", one);
    assert_eq!(open.put("alice", "x").0, 201);
    let (status, body) = open.put("bob", "x");
    assert_eq!((status, &body["code"]), (401, &json!("wrong-password")));
}

#[test]
fn odd_requests_get_one_clear_answer() {
    let project = Project::without_server();
    let instance = Instance::start(&project, "auth.yaml", LOCAL);
    let put = |id: &str, body: Value| {
        let body = body.to_string().into_bytes();
        instance.ask("PUT", &format!("/-/user/{id}"), None, body)
    };
    let user = |name: &str| json!({ "name": name, "password": "x" });
    let table = [
        ("org.couchdb.user:a%3Ab", user("a:b"), 400),
        ("org.couchdb.user:a%2Fb", user("a/b"), 400),
        ("org.couchdb.user:a%0Ab", user("a\nb"), 400),
        ("org.couchdb.user:%ff", user("a"), 400),
        ("org.couchdb.user:%F0%9F%98%80", user("😀"), 400),
        ("org.couchdb.user:", user(""), 400),
        ("org.couchdb.user:Alice", user("Alice"), 400),
        ("org.couchdb.user:alice", user("bob"), 400),
        ("org.couchdb.user:alice", json!({ "name": "alice" }), 400),
        ("org.couchdb.user:alice", json!({ "name": "alice", "password": "" }), 400),
        ("org.couchdb.user:alice", json!({ "name": "alice", "password": "x".repeat(73) }), 400),
        ("org.couchdb.user:alice", json!([]), 400),
        ("alice", user("alice"), 404),
        ("org.couchdb.user%3Aalice", user("alice"), 201),
    ];
    for (id, body, expected) in table {
        let (status, answer) = put(id, body);
        assert_eq!(status, expected, "{id}: {answer}");
        assert!(expected == 201 || answer["error"].is_string(), "{id}: {answer}");
    }
    let large = instance.ask("PUT", "/-/user/org.couchdb.user:big", None, vec![b'x'; 10_000_000]);
    assert_eq!((large.0, large.1["code"].as_str()), (413, Some("too-large")));
    for path in ["/left-pad", "/-/all", "/-/v1/search", "/-/npm/v1/tokens/x"] {
        let (status, answer) = instance.ask("GET", path, None, Vec::new());
        assert_eq!(status, 404, "{path}");
        assert!(answer["error"].as_str().unwrap().contains("only logins"), "{answer}");
    }
    assert_eq!(instance.ask("DELETE", "/-/whoami", None, Vec::new()).0, 405);
    assert_eq!(instance.ask("POST", "/-/v1/login", None, b"{}".to_vec()).0, 404);
    for token in ["", "x", "npm_abc", &"y".repeat(5000)] {
        assert_eq!(instance.whoami(token), 401, "{token}");
    }
}

/// Both ways to ask for one: npm up to 11.5, and later.
#[test]
fn a_read_only_token_reads_and_is_refused_with_403_when_it_writes() {
    let project = Project::without_server();
    let instance = Instance::start(&project, "auth.yaml", LOCAL);
    let full = instance.token("alice");
    let ways = [
        json!({ "readonly": true, "cidr_whitelist": [] }),
        json!({ "packages_and_scopes_permission": "read-only" }),
    ];
    for mut request in ways {
        request["password"] = json!("Correct-horse-7");
        let create = request.to_string().into_bytes();
        let tokens = "/-/npm/v1/tokens";
        let (status, made) = instance.ask("POST", tokens, Some(&full), create.clone());
        assert_eq!((status, &made["readonly"]), (201, &json!(true)), "{made}");
        let token = made["token"].as_str().unwrap();
        for path in ["/-/whoami", "/-/npm/v1/user", tokens] {
            assert_eq!(instance.ask("GET", path, Some(token), Vec::new()).0, 200, "{path}");
        }
        let change = json!({ "password": { "old": "Correct-horse-7", "new": "x" } });
        let writes = [
            ("POST", tokens.to_owned(), create),
            ("POST", "/-/npm/v1/user".to_owned(), b"{\"fullname\":\"x\"}".to_vec()),
            ("POST", "/-/npm/v1/user".to_owned(), change.to_string().into_bytes()),
            ("DELETE", format!("{tokens}/token/{}", key_of(&full)), Vec::new()),
            ("DELETE", format!("/-/user/token/{full}"), Vec::new()),
        ];
        for (method, path, body) in writes {
            let (status, answer) = instance.ask(method, &path, Some(token), body);
            assert_eq!((status, &answer["code"]), (403, &json!("read-only")), "{method} {path}");
        }
        // Nothing of it was done, and it may end itself.
        assert_eq!(instance.whoami(&full), 200);
        assert_eq!(instance.put("alice", "Correct-horse-7").0, 201);
        let itself = format!("/-/user/token/{token}");
        assert_eq!(instance.ask("DELETE", &itself, Some(token), Vec::new()).0, 200);
        assert_eq!(instance.whoami(token), 401);
    }
}

/// The public half of a token, by which it is revoked: `demo_ID_SECRET`.
fn key_of(token: &str) -> &str {
    token.split('_').nth(1).unwrap()
}

#[test]
fn passwords_are_not_guessed_and_no_secret_is_logged() {
    let project = Project::without_server();
    let mut instance = Instance::start(&project, "auth.yaml", LOCAL);
    let token = instance.token("alice");
    assert_eq!(instance.whoami(&token), 200);
    let statuses: Vec<u16> = (0..9).map(|_| instance.put("alice", "hunter2").0).collect();
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(instance.put("bob", "Correct-horse-7").0, 201, "others are not slowed");
    assert_eq!(instance.whoami(&token), 200);
    let log = instance.process.said();
    assert!(log.contains("request"), "{log}");
    for secret in ["hunter2", "Correct-horse-7", &token, "$2y$"] {
        assert!(!log.contains(secret), "{secret} is in the log: {log}");
    }
}

#[test]
fn files_go_both_ways_with_apache() {
    let apache = Command::new("htpasswd").arg("-v").output();
    assert!(apache.is_ok(), "htpasswd is missing: Debian has it in apache2-utils");
    let project = Project::without_server();
    let file = |name: &str| project.join(name).display().to_string();
    tool("htpasswd", &["-cbB", &file("users"), "bob", "of-bob"], project.path()).success();
    tool("htpasswd", &["-bm", &file("users"), "old", "of-old"], project.path()).success();
    let text = "auth:\n  htpasswd:\n    file: users\n    max_users: 9\n";
    let instance = Instance::start(&project, "auth.yaml", text);
    assert_eq!(instance.put("bob", "of-bob").0, 201);
    assert_eq!(instance.put("old", "of-old").0, 401, "a hash of another kind never fits");
    instance.token("alice");
    for (name, password) in [("alice", "Correct-horse-7"), ("bob", "of-bob"), ("old", "of-old")] {
        tool("htpasswd", &["-vb", &file("users"), name, password], project.path()).success();
    }
    tool("htpasswd", &["-D", &file("users"), "alice"], project.path()).success();
    assert_eq!(instance.put("bob", "of-bob").0, 201);
}

#[test]
fn damaged_files_are_an_error_and_stay_as_they_are() {
    let project = Project::without_server();
    let mut instance = Instance::start(&project, "auth.yaml", LOCAL);
    let token = instance.token("alice");
    let whole = project.read("s/htpasswd");
    let cut = &whole[..whole.len() - 20];
    project.write("s/htpasswd", cut);
    for (status, body) in [instance.put("bob", "x"), instance.put("alice", "Correct-horse-7")] {
        assert_eq!((status, body["code"].as_str()), (500, Some("data-damaged")), "{body}");
    }
    assert_eq!(project.read("s/htpasswd"), cut);
    project.demo(["auth", "serve", "-c", "auth.yaml"]).says("line 1").fails(2);
    project.write("s/htpasswd", &whole);
    assert_eq!(instance.whoami(&token), 200, "it comes back by itself");
    // At its end all is in the one file.
    instance.process.signal(rustix::process::Signal::TERM);
    assert!(instance.process.end().success());

    let tokens = std::fs::read(project.join("s/tokens.db")).unwrap();
    assert!(!project.join("s/tokens.db-wal").exists());
    let half = tokens.len() / 2;
    let noise = b"this is no database at all, but long enough to be looked at";
    for damaged in [&tokens[..half / 4096 * 4096], &tokens[..half + 100], &tokens[..300], noise] {
        project.write("s/tokens.db", damaged);
        project
            .demo(["auth", "serve", "-c", "auth.yaml", "--listen", "127.0.0.1:0"])
            .says("tokens.db is damaged")
            .fails(2)
            .hint("restore it");
        assert_eq!(std::fs::read(project.join("s/tokens.db")).unwrap(), damaged);
    }
}

#[test]
fn a_database_that_cannot_be_used_is_told_apart_at_the_start() {
    let project = Project::up(&[]);
    let serve = |text: &str| {
        project.write("auth.yaml", text);
        project.demo(["auth", "serve", "-c", "auth.yaml", "--listen", "127.0.0.1:0"])
    };
    let [http, ..] = project.ports();
    let url = format!("backend:\n  libsql:\n    url: http://127.0.0.1:{http}\n");
    serve(&url).says("refused the token (401)").fails(4).hint("authToken");
    let wrong = format!("{url}    authToken: nonsense\n    replicaPath: ./r.db\n");
    serve(&wrong).says("refused the token (401)").fails(4);
    project.demo(["down"]).success();
    serve(&url).says("cannot connect to").fails(3).hint("backend.libsql.url");
    serve("backend: {}\n").says("names no database").fails(2);
    serve("colour: red\n").says("unknown field `colour`").fails(2);
    project.demo(["auth", "serve", "-c", "none.yaml"]).says("none.yaml").fails(5);
}
