//! Keys, tokens and certificates that other programs read, and the other way round.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use demo_test_support::{Project, tool, tool_stdout};

const KEY: &str = ".local/jwt/jwt.key";
const PUBLIC: &str = ".local/jwt/jwt.pub";

fn ready() -> Project {
    let project = Project::without_server();
    project.demo(["setup"]).success();
    project
}

fn openssl(project: &Project, line: &str) -> String {
    tool_stdout("openssl", &line.split(' ').collect::<Vec<_>>(), project.path())
}

#[test]
fn openssl_reads_the_keys() {
    let project = ready();
    assert_eq!(openssl(&project, &format!("pkey -in {KEY} -pubout")), project.read(PUBLIC));
    assert_eq!(openssl(&project, &format!("pkey -in {KEY}")), project.read(KEY));
    assert!(openssl(&project, &format!("pkey -in {KEY} -noout -text")).contains("ED25519"));
}

#[test]
fn other_implementations_verify_a_token() {
    let project = ready();
    let token = project.demo(["token", "mint"]).success().text().to_owned();
    let (message, signature) = token.rsplit_once('.').unwrap();
    project.write("message", message);
    project.write("signature", BASE64.decode(signature).unwrap());
    let verify = "pkeyutl -verify -pubin -rawin -sigfile signature -in message -inkey";
    openssl(&project, &format!("{verify} {PUBLIC}"));
    let script = "const { createPublicKey, verify } = require('node:crypto'); \
        const { readFileSync } = require('node:fs'); const [path, message, signature] = \
        process.argv.slice(1); console.log(verify(null, Buffer.from(message), \
        createPublicKey(readFileSync(path)), Buffer.from(signature, 'base64url')));";
    let node = |message: &str| {
        tool_stdout("node", &["-e", script, PUBLIC, message, signature], project.path())
    };
    assert_eq!(node(message), "true\n");
    assert_eq!(node(&message.replace('.', "x.")), "false\n");

    let payload = BASE64.decode(message.split_once('.').unwrap().1).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["a"], "rw");
    let (issued, ends) = (claims["iat"].as_i64().unwrap(), claims["exp"].as_i64().unwrap());
    assert_eq!(ends - issued, 24 * 3600);
}

#[test]
fn a_token_that_openssl_signed_is_accepted() {
    let project = Project::without_server();
    fs::create_dir_all(project.local("jwt")).unwrap();
    openssl(&project, &format!("genpkey -algorithm ed25519 -out {KEY}"));
    let key = project.read(KEY);
    project.demo(["setup"]).success();
    assert_eq!(project.read(KEY), key, "the key is taken as it is");
    assert_eq!(openssl(&project, &format!("pkey -in {KEY} -pubout")), project.read(PUBLIC));

    let part = |json: &str| BASE64.encode(json);
    let header = part(r#"{"alg":"EdDSA","typ":"JWT"}"#);
    let message = format!("{header}.{}", part(r#"{"a":"ro","sub":"openssl","exp":4102444800}"#));
    project.write("message", &message);
    openssl(&project, &format!("pkeyutl -sign -rawin -inkey {KEY} -in message -out signature"));
    let signature = BASE64.encode(fs::read(project.join("signature")).unwrap());
    let token = format!("{message}.{signature}");
    let json = project.demo(["token", "inspect", "-o", "json", &token]).success().json();
    assert_eq!(json["accepted"], true);
    assert_eq!(json["claims"]["sub"], "openssl");
    let text = project.demo(["token", "inspect", "-"]).stdin(format!("{token}\n")).success();
    assert!(text.stdout.contains("accepted by the server"), "{text:?}");

    let forged = format!("{header}.{}.{signature}", part(r#"{"a":"rw"}"#));
    let json = project.demo(["token", "inspect", "-o", "json", &forged]).exits(4).json();
    assert_eq!(json["accepted"], false);
}

#[test]
fn openssl_verifies_the_certificates() {
    let project = ready();
    let ca = "-CAfile .local/certs/ca_cert.pem";
    for (name, purpose) in [("server", "sslserver"), ("client", "sslclient")] {
        let line = format!("verify -purpose {purpose} {ca} .local/certs/{name}_cert.pem");
        assert!(openssl(&project, &line).contains("OK"));
        let key = openssl(&project, &format!("pkey -in .local/certs/{name}_key.pem -pubout"));
        let certificate = format!("x509 -in .local/certs/{name}_cert.pem -noout -pubkey");
        assert_eq!(openssl(&project, &certificate), key);
    }
    let names =
        openssl(&project, "x509 -in .local/certs/server_cert.pem -noout -ext subjectAltName");
    assert!(names.contains("DNS:sqld") && names.contains("DNS:primary"), "{names}");
    let other = ready();
    fs::copy(other.join(".local/certs/ca_cert.pem"), project.join("other.pem")).unwrap();
    let line = ["verify", "-CAfile", "other.pem", ".local/certs/server_cert.pem"];
    tool("openssl", &line, project.path()).failure();
    assert!(project.demo(["certs", "show"]).success().stdout.contains("sqld"));
}

/// Every file under `folder` and when it was last written.
fn times(folder: &Path) -> BTreeMap<String, SystemTime> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() {
            all.extend(times(&entry.path()));
        } else {
            let time = entry.metadata().unwrap().modified().unwrap();
            all.insert(entry.path().display().to_string(), time);
        }
    }
    all
}

#[test]
fn a_second_setup_changes_nothing() {
    let project = ready();
    let before = times(&project.local(""));
    assert_eq!(before.len(), 10, "{before:?}");
    project.demo(["setup"]).prints("").says("nothing changed").success();
    project.demo(["keys", "generate"]).prints("").success();
    project.demo(["certs", "generate"]).prints("").success();
    assert_eq!(times(&project.local("")), before);

    fs::remove_file(project.local("certs/client_key.pem")).unwrap();
    project.demo(["setup"]).success();
    let token = project.read(".local/jwt/jwt.token");
    project.demo(["setup", "--force"]).success();
    assert_ne!(project.read(".local/jwt/jwt.token"), token);
    // What the old key signed is no longer accepted.
    project.demo(["token", "inspect", &token]).exits(4);
    project.demo(["token", "inspect"]).exits(0);
}
