//! A rotation of the keys while the gate is open.

use demo_sqld::keys::SigningKey;

use super::{Front, bin};
use demo_test_support::until;

#[test]
fn keys_come_and_go_without_a_restart() {
    let mut front = Front::new();
    let old = front.rw("alpha");
    let first = front.key.public().thumbprint();
    front.project.demo(["keys", "rotate", "--restart"]).success();
    let key = front.project.read(".local/jwt/jwt.key");
    front.key = SigningKey::from_pem(&key, "jwt.key").unwrap();
    let new = front.rw("alpha");
    let head = [("x-namespace", "alpha"), ("x-namespace-bin", &bin("alpha"))];
    let ask = |at: &str, token: &str| front.pipeline(at, &head, token, &["SELECT 1"]).status;
    until("the new key is trusted", || ask(&front.address, &new) == 200);
    assert_eq!(ask(&front.address, &old), 200);

    front.project.demo(["keys", "prune", "--key", &first]).success();
    until("tokens of the old key are refused", || ask(&front.address, &old) == 401);
    assert_eq!(ask(&front.address, &new), 200);
    // It was the gate: the server reads its keys at its start only.
    assert_eq!(ask(&front.server, &old), 200);

    // A file that is damaged takes nothing away.
    front.project.write(".local/jwt/jwt.pub", "-----BEGIN");
    front.gate.until_says("cannot read the file");
    let head = [("x-namespace", "alpha")];
    assert!(front.pipeline(&front.address, &head, &new, &["SELECT 1"]).worked());
}
