//! What is away comes back, and nobody has to start the mint again.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use demo_test_support::issuer::{Issuer, Mint, Yaml, answer, block_on, client};
use demo_test_support::processes::{kill_server, pid_in};
use demo_test_support::{Project, until};

fn ask(mint: &Mint, login: &str) -> (u16, Value) {
    let request = client().post(format!("{}/token", mint.url)).bearer_auth(login);
    block_on(answer(request))
}

fn refused(mint: &Mint, login: &str, status: u16, code: &str) {
    let (seen, body) = ask(mint, login);
    assert_eq!((seen, &body["code"]), (status, &json!(code)));
}

#[test]
fn the_issuer_may_come_late_go_away_and_change_its_keys() {
    let project = Project::up(&["namespaced"]);
    let mut issuer = Issuer::later(&project, "ES256");
    let mut mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    // The key is made by the script, which needs no running issuer.
    std::fs::write(project.join("issuer-ES256.pem"), new_key(&project)).unwrap();
    let early = issuer.logins(1).remove(0);
    refused(&mint, &early, 503, "issuer-away");
    issuer.start_again();
    mint.until(&early, 200);

    let (_, alice) = block_on(issuer.sign_up("alice"));
    assert_eq!(ask(&mint, &alice).0, 200);
    block_on(issuer.rotate(false));
    let (_, bob) = block_on(issuer.sign_up("bob"));
    // At most ten seconds after the last look.
    mint.until(&bob, 200);
    assert_eq!(ask(&mint, &alice).0, 200, "the old key is still published");

    block_on(issuer.rotate(true));
    let (_, carol) = block_on(issuer.sign_up("carol"));
    mint.until(&carol, 200);
    refused(&mint, &bob, 401, "unknown-key");

    issuer.kill();
    assert_eq!(ask(&mint, &carol).0, 200, "the last good keys go on");
    refused(&mint, "garbage", 401, "malformed-login");
    mint.until(&early, 503);
    issuer.start_again();
    mint.until(&early, 200);
    mint.never_says(&[early, alice, bob, carol]);
}

fn new_key(project: &Project) -> String {
    let args = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    demo_test_support::tool_stdout("openssl", &args, project.path())
}

#[test]
fn the_primary_may_die_and_come_back() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    let [known, new] = issuer.logins(2).try_into().unwrap();
    assert_eq!(ask(&mint, &known).0, 200);
    kill_server(project.path(), pid_in(&project.local("run/standing/primary.pid")));
    assert_eq!(ask(&mint, &known).0, 200, "a known namespace needs no server");
    refused(&mint, &new, 503, "server-away");
    project.demo(["up", "--variant", "namespaced"]).success();
    assert_eq!(ask(&mint, &new).0, 200);
}

#[test]
fn a_request_under_way_is_answered_before_the_end() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mut mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    let login = issuer.logins(1).remove(0);
    let pid = pid_in(&project.local("run/standing/primary.pid"));
    let primary = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(primary, Signal::STOP).unwrap();
    let url = mint.url.clone();
    let asked = std::thread::spawn(move || {
        block_on(answer(client().post(format!("{url}/token")).bearer_auth(login)))
    });
    // The mint waits for the primary once it has a connection to it.
    let admin = format!(":{:04X} 01 ", project.ports()[2]);
    until("the mint asks the primary", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        table.lines().any(|line| line.contains(&admin))
    });
    mint.process.signal(Signal::TERM);
    let address = mint.url.trim_start_matches("http://").to_owned();
    until("the mint takes no more", || std::net::TcpStream::connect(&address).is_err());
    kill_process(primary, Signal::CONT).unwrap();
    assert_eq!(asked.join().unwrap().0, 200);
    assert_eq!(mint.process.end().code(), Some(0));
}

#[test]
fn ctrl_c_is_an_interruption() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let issuer = Issuer::later(&project, "ES256");
    let mut mint = Mint::start(&project, &issuer, &Yaml::with(issuer.by_jwks()));
    mint.process.signal(Signal::INT);
    assert_eq!(mint.process.end().code(), Some(130));
}

#[test]
fn a_new_private_key_is_taken_without_a_restart() {
    let project = Project::up(&["namespaced"]);
    let issuer = Issuer::start(&project, "ES256");
    let mut yaml = Yaml::with(issuer.by_jwks());
    yaml.top = "# the default limits";
    let mint = Mint::start(&project, &issuer, &yaml);
    let login = issuer.logins(1).remove(0);
    let kid = |body: &Value| {
        let token = body["dbToken"].as_str().unwrap();
        jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
    };
    let first = kid(&ask(&mint, &login).1);
    let key = demo_test_support::tool_stdout(
        "openssl",
        &["genpkey", "-algorithm", "ed25519"],
        project.path(),
    );
    project.write(".local/jwt/jwt.key", key);
    let published = || -> String {
        block_on(async {
            let url = format!("{}/.well-known/jwks.json", mint.url);
            let document: Value = client().get(url).send().await.unwrap().json().await.unwrap();
            document["keys"][0]["kid"].as_str().unwrap().to_owned()
        })
    };
    let mut now = first.clone();
    for _ in 0..1000 {
        now = published();
        if now != first {
            break;
        }
        until("the mint is alive", || {
            std::net::TcpStream::connect(mint.url.trim_start_matches("http://")).is_ok()
        });
    }
    assert_ne!(now, first);
    assert_eq!(kid(&ask(&mint, &login).1), now);
}
