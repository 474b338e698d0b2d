//! A whole front door, and people who go through it.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

use demo_test_support::issuer::{Issuer, Mint, block_on};
use demo_test_support::{Background, Project};

/// Somebody who has signed in, and what the mint gave.
pub struct Person {
    pub login: String,
    pub token: String,
    pub url: String,
    pub namespace: String,
}

/// Issuer, mint and gate in front of a primary and a replica.
pub struct Door {
    pub project: Project,
    pub issuer: Issuer,
    pub mint: Mint,
    pub gate: Background,
    pub gate_port: u16,
}

impl Door {
    pub fn open() -> Self {
        let project = Project::up(&["namespaced"]);
        let [primary, _, admin, replica] = project.ports();
        // The issuer has the next one.
        let gate_port = replica + 2;
        project.write(
            "gate.yaml",
            format!(
                "listen: 127.0.0.1:{gate_port}\nprimary: http://127.0.0.1:{primary}\n\
                 replicas: [http://127.0.0.1:{replica}]\nkeys: .local/jwt/jwt.pub\n\
                 issuer: demo-mint\norigins: [http://127.0.0.1:18093]\n\
                 limits: {{timeout: 5s, perNamespacePerSecond: 100000, burst: 100000}}\n"
            ),
        );
        let issuer = Issuer::start(&project, "ES256");
        project.write(
            "mint.yaml",
            format!(
                "login:\n  issuer: {url}/auth/v1\n  audience: authenticated\n  \
                 role: authenticated\n  {source}\ntoken:\n  issuer: demo-mint\n  \
                 databaseUrl: http://{{namespace}}.localhost:{gate_port}\nkeys:\n  \
                 active: .local/jwt/jwt.key\nadmin:\n  url: http://127.0.0.1:{admin}\n  \
                 key: ${{LIBSQL_ADMIN_AUTH_KEY}}\n  server: http://127.0.0.1:{primary}\n\
                 limits: {{perUserPerMinute: 1000000, perAddressPerMinute: 1000000}}\n",
                url = issuer.url(),
                source = issuer.by_jwks()
            ),
        );
        let mint = Mint::start_again(&project);
        let gate = open_gate(&project);
        Self { project, issuer, mint, gate, gate_port }
    }

    /// Signs somebody up and asks the mint for a token.
    pub fn person(&self, name: &str) -> Person {
        block_on(async {
            let (id, login) = self.issuer.sign_up(name).await;
            let (status, given) = self.mint.token(&login).await;
            assert_eq!(status, 200, "{given}");
            let text = |name: &str| given[name].as_str().unwrap().to_owned();
            let namespace = text("namespace");
            assert_eq!(namespace, format!("db-{id}"));
            Person { login, token: text("dbToken"), url: text("dbUrl"), namespace }
        })
    }

    /// The same namespace at the server itself.
    pub fn direct(&self, person: &Person) -> String {
        format!("http://{}.localhost:{}", person.namespace, self.project.ports()[0])
    }

    /// Neither log has any of this in it.
    pub fn never_says(&mut self, secrets: &[&str]) {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        self.mint.never_says(&secrets);
        let said = self.gate.said();
        assert!(said.contains("the gate is open"), "the log is there");
        for secret in &secrets {
            assert!(!said.contains(secret.as_str()), "the gate has logged a secret");
        }
    }
}

pub fn open_gate(project: &Project) -> Background {
    let mut gate = Background::start(project.command(["gate", "serve", "--log-level", "debug"]));
    gate.until_says("the gate is open");
    gate
}

/// `examples/clients/NAME` of the copy that has its dependencies.
pub fn client(name: &str) -> PathBuf {
    let examples = std::env::var_os("DEMO_TEST_EXAMPLES")
        .expect("DEMO_TEST_EXAMPLES is not set: run scripts/test-front-door.sh");
    PathBuf::from(examples).join("clients").join(name)
}

/// Runs a client script; what it printed is JSON.
pub fn run(mut command: Command) -> (Option<i32>, Value) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = String::from_utf8(stdout).unwrap();
    let said = String::from_utf8_lossy(&stderr);
    let value = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {status} {said} {text}"));
    (status.code(), value)
}

/// `node SCRIPT ARGUMENTS` with a token.
pub fn node(script: &str, arguments: &[&str], token: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args(["120", "node"]).arg(client(script)).args(arguments).env("DEMO_TOKEN", token);
    command
}
