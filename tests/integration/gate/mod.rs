//! The gate: the real program before the real stack, and each weakness of the
//! server twice, there open and here closed.

mod answers;
mod bodies;
mod clients;
mod differential;
mod doors;
mod holes;
mod inventory;
mod limits;
mod lobby;
mod raw;
mod refusals;
mod required;
mod rotation;
mod sockets;
mod tenants;

use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use demo_sqld::keys::SigningKey;
use demo_sqld::token::mint;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use self::sockets::Socket;
use demo_test_support::{Background, Project};

/// A stack with the namespaces `alpha` and `beta`, each with a table `t` and one
/// row, and a gate in front of it.
pub struct Front {
    pub project: Project,
    pub gate: Background,
    /// `127.0.0.1:PORT` of the gate, and of the primary.
    pub address: String,
    pub server: String,
    /// The same of the gate's admin listener.
    pub admin: String,
    pub runtime: Runtime,
    http: reqwest::Client,
    key: SigningKey,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Whether every statement of a pipeline worked.
    pub fn worked(&self) -> bool {
        self.status == 200 && !self.text().contains("\"type\":\"error\"")
    }
}

impl Front {
    pub fn new() -> Self {
        Self::with("")
    }

    /// With more lines in `gate.yaml`.
    pub fn with(more: &str) -> Self {
        Self::with_files(&[], more)
    }

    /// With files beside it.
    pub fn with_files(files: &[(&str, &str)], more: &str) -> Self {
        let project = Project::up(&["namespaced"]);
        let server = format!("127.0.0.1:{}", project.ports()[0]);
        for name in ["alpha", "beta"] {
            project.demo(["namespace", "create", name]).success();
        }
        for (name, text) in files {
            project.write(name, text);
        }
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nprimary: http://{server}\n\
             keys: .local/jwt/jwt.pub\n{more}"
        );
        project.write("gate.yaml", yaml);
        let (mut gate, address) = open(&project);
        let line = gate.until_says("the gate is open");
        let admin = field(&line, "admin");
        let key = project.read(".local/jwt/jwt.key");
        let front = Self {
            key: SigningKey::from_pem(&key, "jwt.key").unwrap(),
            runtime: Runtime::new().unwrap(),
            http: reqwest::Client::builder().build().unwrap(),
            project,
            gate,
            address,
            server,
            admin,
        };
        for name in ["alpha", "beta"] {
            let token = front.rw(name);
            let rows = [format!("INSERT INTO t VALUES ('{name}-row')")];
            let sql = [&["CREATE TABLE t (x)".to_owned()], rows.as_slice()].concat();
            let sql: Vec<&str> = sql.iter().map(String::as_str).collect();
            let made =
                front.pipeline(&front.server, &[("x-namespace-bin", &bin(name))], &token, &sql);
            assert!(made.worked(), "{made:?}");
        }
        front
    }

    pub fn token(&self, claims: &Value) -> String {
        // Each has an id of its own, so that no two are the same.
        static NEXT: AtomicI64 = AtomicI64::new(0);
        let mut claims = claims.clone();
        if claims.get("jti").is_none() {
            claims["jti"] = json!(format!("token-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        }
        mint(&self.key, &claims).unwrap().expose_secret().to_owned()
    }

    pub fn rw(&self, name: &str) -> String {
        self.token(&json!({"p": {"rw": {"ns": [name]}}, "exp": now() + 600}))
    }

    pub fn ro(&self, name: &str) -> String {
        self.token(&json!({"p": {"ro": {"ns": [name]}}, "exp": now() + 600}))
    }

    /// One POST.
    pub fn post(
        &self,
        to: &str,
        path: &str,
        head: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        self.send(reqwest::Method::POST, to, path, head, body)
    }

    pub fn send(
        &self,
        method: reqwest::Method,
        to: &str,
        path: &str,
        head: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        let mut request = self.http.request(method, format!("http://{to}{path}")).body(body.into());
        for (name, value) in head {
            request = request.header(*name, *value);
        }
        let exchange = async {
            let response = request.send().await.unwrap();
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            // An answer may break off: that is an answer, too.
            let body = response.bytes().await.unwrap_or_default().to_vec();
            Answer { status, headers, body }
        };
        let runtime = &self.runtime;
        // A thread of its own: who waits for something has a runtime already.
        std::thread::scope(|scope| scope.spawn(|| runtime.block_on(exchange)).join().unwrap())
    }

    /// A pipeline at `/v2/pipeline` that closes its stream.
    pub fn pipeline(&self, to: &str, head: &[(&str, &str)], token: &str, sql: &[&str]) -> Answer {
        self.pipeline_at(to, "/v2/pipeline", head, token, sql)
    }

    pub fn pipeline_at(
        &self,
        to: &str,
        path: &str,
        head: &[(&str, &str)],
        token: &str,
        sql: &[&str],
    ) -> Answer {
        let mut requests: Vec<Value> = sql.iter().map(|sql| execute(sql)).collect();
        requests.push(json!({"type": "close"}));
        let bearer = format!("Bearer {token}");
        let mut head = head.to_vec();
        head.push(("content-type", "application/json"));
        if !token.is_empty() {
            head.push(("authorization", &bearer));
        }
        self.post(to, path, &head, json!({ "requests": requests }).to_string())
    }

    /// The rows of `t` in `name`, as they are on the server.
    pub fn rows(&self, name: &str) -> String {
        let head = [("x-namespace-bin", bin(name))];
        let head = head.each_ref().map(|(key, value)| (*key, value.as_str()));
        self.pipeline(&self.server, &head, &self.rw(name), &["SELECT group_concat(x) FROM t"])
            .text()
    }

    /// All that the gate has logged; it ends with this.
    pub fn close(mut self) -> Vec<String> {
        self.gate.signal(rustix::process::Signal::TERM);
        assert!(self.gate.end().success());
        self.gate.all()
    }
}

/// A gate with the project's `gate.yaml`, and its address.
pub fn open(project: &Project) -> (Background, String) {
    let mut gate = Background::start(project.command(["gate", "serve", "--log-level", "debug"]));
    let line = gate.until_says("the gate is open");
    let address = field(&line, "address");
    (gate, address)
}

/// A value of a line of the log.
pub fn field(line: &str, name: &str) -> String {
    let value = line.split(&format!(" {name}=")).nth(1).unwrap();
    value.split(' ').next().unwrap().to_owned()
}

pub fn bin(name: &str) -> String {
    STANDARD_NO_PAD.encode(name)
}

pub fn execute(sql: &str) -> Value {
    json!({"type": "execute", "stmt": {"sql": sql}})
}

pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
