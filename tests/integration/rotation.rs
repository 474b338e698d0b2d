//! Two public keys in one file: a running server takes the tokens of both.

use demo_sqld::claims::Grant;
use demo_sqld::keys::SigningKey;
use demo_sqld::token;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use demo_test_support::{Project, tool_stdout};

#[test]
fn a_second_key_is_trusted_beside_the_first() {
    let project = Project::new();
    project.demo(["setup"]).success();
    let openssl =
        |line: &str| tool_stdout("openssl", &line.split(' ').collect::<Vec<_>>(), project.path());
    openssl("genpkey -algorithm ed25519 -out next.key");
    let public = project.read(".local/jwt/jwt.pub") + &openssl("pkey -in next.key -pubout");
    project.write(".local/jwt/jwt.pub", &public);
    let next = SigningKey::from_pem(&project.read("next.key"), "next.key").unwrap();
    let claims = Grant::full(std::time::Duration::from_secs(60)).claims(Timestamp::now());
    let next = token::mint(&next, &claims).unwrap().expose_secret().to_owned();

    project.demo(["setup"]).says("nothing changed").success();
    assert_eq!(
        project.demo(["keys", "show", "-o", "json"]).success().json().as_array().unwrap().len(),
        2
    );
    project.demo(["token", "inspect", &next]).success();
    project.demo(["up"]).success();
    assert_eq!(project.read(".local/jwt/jwt.pub"), public);
    project.demo(["run", "--label", "with the old key"]).success();
    for target in ["primary", "replica"] {
        let count = ["count", "--wait", "--target", target];
        project.demo(count).prints("1\n").success();
        project.demo(count).env("DEMO_TOKEN", &next).prints("1\n").success();
    }

    // The old one goes: the server that reads its keys at boot is started again.
    project.write(".local/jwt/jwt.pub", openssl("pkey -in next.key -pubout"));
    std::fs::rename(project.join("next.key"), project.local("jwt/jwt.key")).unwrap();
    let old = project.read(".local/jwt/jwt.token");
    let said = project.demo(["up"]).success();
    assert!(said.stderr.contains("restarted with its changes"), "{said:?}");
    project.demo(["count", "--token", &next]).prints("1\n").success();
    project.demo(["count", "--token", old.trim()]).fails(4);
    project.demo(["count"]).prints("1\n").success();
}
