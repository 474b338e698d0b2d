//! Namespaces and their tables on first use.

use std::net::SocketAddr;

use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::loopback_client;
use serde_json::Value;

use demo_test_support::Project;
use demo_test_support::issuer::{Issuer, Mint, Yaml, block_on};

/// Made twice, the row is there twice.
const SCHEMA: &str = "CREATE TABLE IF NOT EXISTS todos (id INTEGER PRIMARY KEY, text TEXT);\n\
    CREATE TRIGGER IF NOT EXISTS keep AFTER DELETE ON todos BEGIN SELECT 1; END;\n\
    INSERT INTO todos (text) VALUES ('welcome; here'); -- the end";

async fn todos(project: &Project, given: &Value) -> String {
    let address = SocketAddr::from(([127, 0, 0, 1], project.ports()[0]));
    let token = given["dbToken"].as_str().unwrap().into();
    let server = Hrana::new(loopback_client().unwrap(), address).token(&token);
    let own = server.selecting(&given["namespace"].as_str().unwrap().parse().unwrap());
    let reply = own.execute("SELECT count(*) FROM todos").await.unwrap();
    reply.scalar().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

fn with_schema(project: &Project, issuer: &Issuer) -> Yaml {
    project.write("schema.sql", SCHEMA);
    let mut yaml = Yaml::with(issuer.by_jwks());
    yaml.admin = "schema: schema.sql";
    yaml
}

#[test]
fn a_hundred_first_requests_make_one_namespace_with_its_tables_once() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &with_schema(&project, &issuer));
    block_on(async {
        let (_, login) = issuer.sign_up("alice").await;
        let asked = futures::future::join_all((0..100).map(|_| mint.token(&login))).await;
        for (status, body) in &asked {
            assert_eq!(*status, 200, "{body}");
        }
        assert_eq!(mint.metric("demo_mint_namespaces_created_total").await, Some(1));
        assert_eq!(todos(&project, &asked[0].1).await, "1");
    });
}

#[test]
fn mints_that_race_apply_the_schema_once() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let first = Mint::start(&project, &issuer, &with_schema(&project, &issuer));
    let second = Mint::start_again(&project);
    block_on(async {
        let logins = issuer.logins(20);
        let both = logins.iter().flat_map(|login| [first.token(login), second.token(login)]);
        let asked = futures::future::join_all(both).await;
        for (status, body) in &asked {
            assert_eq!(*status, 200, "{body}");
            assert_eq!(todos(&project, body).await, "1");
        }
        let name = "demo_mint_namespaces_created_total";
        let made = first.metric(name).await.unwrap() + second.metric(name).await.unwrap();
        assert_eq!(made, 20);
    });
    // A third one that has seen none of it leaves the tables alone.
    let third = Mint::start_again(&project);
    block_on(async {
        let (_, body) = third.token(&issuer.logins(1)[0]).await;
        assert_eq!(todos(&project, &body).await, "1");
    });
}

#[test]
fn a_tenant_made_from_the_shell_is_left_as_it_is() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &with_schema(&project, &issuer));
    let (id, login) = block_on(issuer.sign_up("alice"));
    let own = format!("db-{id}");
    project.demo(["tenant", "create", &own, "--schema", "schema.sql"]).success();
    block_on(async {
        let (status, body) = mint.token(&login).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(todos(&project, &body).await, "1");
    });
}

#[test]
fn a_mint_that_is_killed_leaves_all_or_nothing() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let logins = issuer.logins(30);
    let first = Mint::start(&project, &issuer, &with_schema(&project, &issuer));
    block_on(async {
        let urls: Vec<_> = logins.iter().map(|login| first.ask(login).send()).collect();
        let asked = futures::future::join_all(urls);
        // In the middle: some have an answer, most do not.
        let _cut = tokio::time::timeout(std::time::Duration::from_millis(60), asked).await;
    });
    drop(first);
    let second = Mint::start_again(&project);
    block_on(async {
        for login in &logins {
            let (status, body) = second.token(login).await;
            assert_eq!(status, 200, "{body}");
            assert_eq!(todos(&project, &body).await, "1");
        }
    });
}
