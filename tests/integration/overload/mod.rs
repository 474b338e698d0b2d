//! The three services, each in a process of its own, while clients that have no
//! token do their worst; and an honest client that is to notice nothing.

mod admin;
mod deadlines;
mod descriptors;
mod silent;
mod tls;

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::gate::field;
use demo_test_support::{Background, Project};

/// What an honest client may have to wait, in the median.
const PROMPT: Duration = Duration::from_millis(100);
/// How often it tries.
const TRIES: usize = 15;
/// Far longer than a try may take: the service does not answer.
const HANGS: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Gate,
    Mint,
    Login,
}

const ALL: [Kind; 3] = [Kind::Gate, Kind::Mint, Kind::Login];

impl Kind {
    fn command(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Mint => "mint",
            Self::Login => "auth",
        }
    }

    /// The key of the admin listener: `admin` is the server's Admin API in `mint.yaml`.
    fn admin_key(self) -> &'static str {
        if self == Self::Mint { "adminListen" } else { "admin" }
    }

    /// Writes a configuration file that needs no server, with `more` at its end.
    fn configure(self, project: &Project, more: &str) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = match self {
            Self::Gate => {
                let primary = project.ports()[0];
                format!("primary: http://127.0.0.1:{primary}\nkeys: .local/jwt/jwt.pub\n")
            }
            Self::Mint => "login: {issuer: me, audience: all, \
                 secret: a-secret-of-more-than-thirty-two-bytes}\n\
                 token: {databaseUrl: 'http://{namespace}.localhost:1'}\n\
                 keys: {active: .local/jwt/jwt.key}\nadmin: {url: 'http://127.0.0.1:1'}\n"
                .to_owned(),
            Self::Login => "auth: {htpasswd: {max_users: 9}}\n".to_owned(),
        };
        let name = format!("{}-{}.yaml", self.command(), NEXT.fetch_add(1, Ordering::Relaxed));
        project.write(&name, format!("{text}{more}"));
        name
    }

    fn start(self, project: &Project, more: &str) -> Service {
        let file = self.configure(project, &format!("listen: 127.0.0.1:0\n{more}"));
        let command = project.command([self.command(), "serve", "-c", &file]);
        self.started(project, command, more.contains("tls:"))
    }

    fn started(self, project: &Project, command: Command, tls: bool) -> Service {
        let mut process = Background::start(command);
        let line = process.until_says(" address=");
        let address = field(&line, "address");
        let scheme = if tls { "https" } else { "http" };
        let stack = project.local("run/standing").exists();
        let token = (self == Self::Gate && stack).then(|| {
            let mint = ["token", "mint", "--namespace", "shop"];
            project.demo(mint).success().text().to_owned()
        });
        Service { kind: self, url: format!("{scheme}://{address}"), line, process, address, token }
    }
}

/// A service that runs.
struct Service {
    kind: Kind,
    process: Background,
    /// What it said when it began to listen.
    line: String,
    address: String,
    url: String,
    /// For the namespace `shop`, where there is a server.
    token: Option<String>,
}

impl Service {
    /// A request of somebody who may make it, on a connection of its own.
    async fn honest(&self, http: &reqwest::Client) {
        let url = |path: &str| format!("{}{path}", self.url);
        let request = match (self.kind, &self.token) {
            (Kind::Gate, Some(token)) => {
                let execute = json!({"type": "execute", "stmt": {"sql": "SELECT 1"}});
                let body = json!({"requests": [execute, {"type": "close"}]});
                let request = http.post(url("/v2/pipeline")).header("x-namespace", "shop");
                request.bearer_auth(token).json(&body)
            }
            (Kind::Gate, None) => http.get(url("/version")),
            (Kind::Mint, _) => http.get(url("/.well-known/jwks.json")),
            (Kind::Login, _) => http.get(url("/-/ping")),
        };
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        answer.bytes().await.unwrap();
    }

    /// Fails unless honest clients are served promptly.
    fn serves_promptly(&self, while_what: &str) {
        let mut times = block_on(async {
            let http = stranger();
            let mut times = Vec::new();
            for _ in 0..TRIES {
                let since = Instant::now();
                tokio::time::timeout(HANGS, self.honest(&http))
                    .await
                    .unwrap_or_else(|_| panic!("{:?} serves nobody: {while_what}", self.kind));
                times.push(since.elapsed());
            }
            times
        });
        times.sort_unstable();
        let median = times[TRIES / 2];
        assert!(median < PROMPT, "{:?}, {while_what}: {times:?}", self.kind);
    }
}

/// A client that takes any certificate and uses each connection once.
fn stranger() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.tls_danger_accept_invalid_certs(true).tls_info(true).build().unwrap()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// A project with keys, and no server.
fn keys_only() -> Project {
    let project = Project::without_server();
    project.demo(["keys", "generate"]).success();
    project
}

/// A certificate for localhost and its key, in files with this name.
fn certificate(project: &Project, name: &str) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let made = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let made = made.self_signed(&key).unwrap();
    project.write(&format!("{name}.crt"), made.pem());
    project.write(&format!("{name}.key"), key.serialize_pem());
    format!("tls: {{certificate: {name}.crt, key: {name}.key}}\n")
}

/// Room for all the connections that a test holds.
fn raise_limit(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).unwrap();
    assert!(limit.maximum.is_none_or(|most| most >= needed), "ulimit -Hn is below {needed}");
}
