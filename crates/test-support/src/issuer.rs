//! Issuer, mint and primary as users run them: real processes, real keys.

use std::path::PathBuf;
use std::process::Command;

use demo_base::ready::{Attempt, poll};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::{Background, Project, target};

/// The secret of HS256 logins.
pub const SECRET: &str = "a-secret-of-more-than-thirty-two-bytes";

fn script(name: &str) -> PathBuf {
    target::repository().join("examples/issuer").join(name)
}

/// Runs a test's requests.
pub fn block_on<T>(requests: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(requests)
}

/// A client that uses no proxy.
pub fn client() -> Client {
    Client::builder().no_proxy().build().unwrap()
}

/// The login issuer of the examples.
pub struct Issuer {
    process: Option<Background>,
    algorithm: &'static str,
    key: PathBuf,
    port: u16,
}

impl Issuer {
    /// Runs it in `project`, on a port of that project.
    pub fn start(project: &Project, algorithm: &'static str) -> Self {
        let key = project.join(&format!("issuer-{algorithm}.pem"));
        // The fourth port of the block is the replica's; the others are free.
        let mut issuer = Self { process: None, algorithm, key, port: project.ports()[3] + 1 };
        issuer.start_again();
        issuer
    }

    /// An issuer that is not running yet.
    pub fn later(project: &Project, algorithm: &'static str) -> Self {
        let key = project.join(&format!("issuer-{algorithm}.pem"));
        Self { process: None, algorithm, key, port: project.ports()[3] + 1 }
    }

    pub fn start_again(&mut self) {
        let mut command = self.node("issuer.mjs");
        let listen = format!("127.0.0.1:{}", self.port);
        command.args(["--algorithm", self.algorithm, "--listen", &listen]);
        let mut process = Background::start(command);
        process.until_says(&self.url());
        self.process = Some(process);
    }

    pub fn kill(&mut self) {
        drop(self.process.take());
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn node(&self, name: &str) -> Command {
        let mut command = Command::new("node");
        command.arg(script(name)).env("SUPABASE_JWT_SECRET", SECRET);
        if self.algorithm != "HS256" {
            command.arg("--key").arg(&self.key);
        }
        command
    }

    fn logins_script(&self, args: &[&str]) -> String {
        let issuer = format!("{}/auth/v1", self.url());
        let mut command = self.node("logins.mjs");
        let output = command.args(["--issuer", &issuer]).args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Valid logins of different users, signed with the issuer's first key.
    pub fn logins(&self, count: usize) -> Vec<String> {
        let lines = self.logins_script(&["--count", &count.to_string()]);
        lines.lines().map(str::to_owned).collect()
    }

    /// Logins that must be refused: name and token.
    pub fn bad_logins(&self) -> Vec<(String, String)> {
        let list: Vec<Value> = serde_json::from_str(&self.logins_script(&["--bad"])).unwrap();
        let text = |entry: &Value, name: &str| entry[name].as_str().unwrap().to_owned();
        list.iter().map(|entry| (text(entry, "name"), text(entry, "token"))).collect()
    }

    /// Signs up a user and returns the id and the login.
    pub async fn sign_up(&self, name: &str) -> (String, String) {
        let body = json!({"email": format!("{name}@example.com"), "password": "correct horse"});
        let url = format!("{}/auth/v1/signup", self.url());
        let answer = client().post(url).json(&body).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&answer["user"]["id"]), text(&answer["access_token"]))
    }

    /// Makes the issuer sign with a new key from now on.
    pub async fn rotate(&self, forget: bool) {
        let query = if forget { "?forget" } else { "" };
        let url = format!("{}/__rotate{query}", self.url());
        assert_eq!(client().post(url).send().await.unwrap().status(), 200);
    }

    /// The part of `mint.yaml` that trusts the keys published by the issuer.
    pub fn by_jwks(&self) -> String {
        format!("jwks: {}/auth/v1/.well-known/jwks.json", self.url())
    }

    pub fn by_user_endpoint(&self) -> String {
        format!("userEndpoint: {{url: '{}/auth/v1/user', apiKey: anon-key}}", self.url())
    }
}

/// The variable parts of `mint.yaml`.
pub struct Yaml {
    /// A line below `login`.
    pub source: String,
    /// Lines below `token`, `admin` and at the top.
    pub token: &'static str,
    pub admin: &'static str,
    pub top: &'static str,
}

impl Yaml {
    pub fn with(source: String) -> Self {
        Self {
            source,
            token: "",
            admin: "",
            top: "limits: {perUserPerMinute: 1000000, perAddressPerMinute: 1000000}",
        }
    }

    fn text(&self, project: &Project, issuer: &Issuer) -> String {
        let [http, _, admin, _] = project.ports();
        let Self { source, token, admin: more, top } = self;
        format!(
            "login:\n  issuer: {url}/auth/v1\n  audience: authenticated\n  role: authenticated\n  \
             {source}\ntoken:\n  issuer: demo-mint\n  \
             databaseUrl: http://{{namespace}}.localhost:{http}\n  {token}\nkeys:\n  \
             active: .local/jwt/jwt.key\nadmin:\n  url: http://127.0.0.1:{admin}\n  \
             key: ${{LIBSQL_ADMIN_AUTH_KEY}}\n  server: http://127.0.0.1:{http}\n  {more}\n\
             adminListen: 127.0.0.1:0\n{top}\n",
            url = issuer.url()
        )
    }
}

/// A running mint.
pub struct Mint {
    pub process: Background,
    pub url: String,
    /// The URL of the admin listener, if there is one.
    admin: Option<String>,
    pub http: Client,
}

impl Mint {
    pub fn start(project: &Project, issuer: &Issuer, yaml: &Yaml) -> Self {
        project.write("mint.yaml", yaml.text(project, issuer));
        Self::start_again(project)
    }

    /// Starts a mint with the existing `mint.yaml`.
    pub fn start_again(project: &Project) -> Self {
        let line = ["mint", "serve", "--listen", "127.0.0.1:0", "--log-format", "json"];
        let mut process = Background::start(project.command(line));
        let said = process.until_says("\"listening\"");
        let said: Value = serde_json::from_str(&said).unwrap();
        let url = format!("http://{}", said["address"].as_str().unwrap());
        let admin = said["admin"].as_str().map(|admin| format!("http://{admin}"));
        Self { process, url, admin, http: client() }
    }

    pub fn ask(&self, login: &str) -> RequestBuilder {
        self.http.post(format!("{}/token", self.url)).bearer_auth(login)
    }

    /// The status and body of an answer; checks that an error has the type of a problem document.
    pub async fn token(&self, login: &str) -> (u16, Value) {
        answer(self.ask(login)).await
    }

    /// Asks until the status is `status`, for at most 20 s.
    pub fn until(&self, login: &str, status: u16) -> Value {
        let url = format!("{}/token", self.url);
        let http = client();
        let attempt = async || {
            let (seen, body) = answer(http.post(&url).bearer_auth(login)).await;
            Ok(if seen == status { Attempt::Done(body) } else { Attempt::Again(body.to_string()) })
        };
        let what = format!("the mint answers {status}");
        block_on(poll(&what, std::time::Duration::from_secs(20), attempt)).unwrap()
    }

    /// One line of `/metrics`.
    pub async fn metric(&self, name: &str) -> Option<u64> {
        let url = format!("{}/metrics", self.admin.as_ref().unwrap());
        let text = self.http.get(url).send().await.unwrap();
        let text = text.text().await.unwrap();
        text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Asserts that none of the secrets is in the log.
    pub fn never_says(&mut self, secrets: &[String]) {
        let said = self.process.said();
        assert!(said.contains("listening"), "the log is there");
        for secret in secrets.iter().filter(|secret| secret.len() > 8) {
            assert!(!said.contains(secret.as_str()), "{secret} is in the log");
        }
    }
}

/// Sends a request to the mint.
pub async fn answer(request: RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let header = |name: &str| {
        let value = response.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
    };
    assert_eq!(header("cache-control"), "no-store", "{response:?}");
    let expected = if status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(header("content-type"), expected, "{status}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body.get("dbToken").is_some(), status == 200, "{body}");
    (status, body)
}
