use std::os::unix::fs::MetadataExt;
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use demo_base::error::find;
use demo_sqld::claims::Grant;
use demo_sqld::token::{inspect, mint};

const HOUR: Duration = Duration::from_hours(1);

/// In a folder inside the temporary one, so that `.local` itself is created.
fn store() -> (TempDir, Store) {
    let folder = TempDir::new().unwrap();
    let store = Store::new(folder.path().join(".local"));
    (folder, store)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn summary(changes: &[Change]) -> Vec<(&str, Action)> {
    changes.iter().map(|change| (change.what.as_str(), change.action)).collect()
}

/// Asserts that `result` is the error that matches `pattern`.
macro_rules! assert_fails {
    ($result:expr, $pattern:pat) => {
        let error = $result.unwrap_err();
        assert!(matches!(find(&error), Some($pattern)), "{error:?}");
    };
}

fn everything(action: Action) -> Vec<(&'static str, Action)> {
    ["keys", "token", "certificates"].map(|what| (what, action)).to_vec()
}

#[test]
fn the_first_run_makes_everything_and_the_second_nothing() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    assert_eq!(summary(&store.ensure(now, false).unwrap()), everything(Action::Created));
    assert_eq!(store.ensure(now, false).unwrap(), []);
    assert_eq!(store.ensure_keys(false).unwrap(), []);
    assert_eq!(store.ensure_certs(now, false).unwrap(), []);
    let token = text(&store.token_path());
    assert!(inspect(&token, &store.key_set().unwrap(), now).unwrap().accepted);
    let certificates = store.certificates().unwrap();
    assert!(certificates.iter().all(|found| found.signed_by_ca == Some(true)));
}

#[test]
fn files_and_folders_have_the_modes_that_the_container_needs() {
    let (_folder, store) = store();
    store.ensure(Timestamp::now(), false).unwrap();
    for (path, expected) in [
        ("", 0o700),
        ("jwt", 0o755),
        ("certs", 0o755),
        ("data/primary", 0o755),
        ("data/replica", 0o755),
        ("jwt/jwt.key", 0o600),
        ("jwt/jwt.token", 0o600),
        ("jwt/jwt.pub", 0o644),
        ("certs/ca_cert.pem", 0o644),
        ("certs/ca_key.pem", 0o600),
        ("certs/server_cert.pem", 0o644),
        ("certs/server_key.pem", 0o644),
        ("certs/client_cert.pem", 0o644),
        ("certs/client_key.pem", 0o644),
    ] {
        assert_eq!(mode(&store.local.join(path)), expected, "{path}");
    }
    fs::set_permissions(store.key_path(), Permissions::from_mode(0o644)).unwrap();
    let changes = store.ensure(Timestamp::now(), false).unwrap();
    assert_eq!(summary(&changes), [("mode", Action::Renewed)]);
    assert_eq!(mode(&store.key_path()), 0o600);
}

#[test]
fn openssl_derives_the_public_key_file_byte_for_byte() {
    let (_folder, store) = store();
    store.ensure_keys(false).unwrap();
    let output = Command::new("openssl")
        .args(["pkey", "-pubout", "-in"])
        .arg(store.key_path())
        .output()
        .unwrap();
    assert_eq!(output.stdout, fs::read(store.public_key_path()).unwrap());
}

#[test]
fn a_token_is_renewed_when_it_is_of_no_use() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    store.ensure(now, false).unwrap();
    let key = store.signing_key().unwrap();
    let minted = |key: &SigningKey, grant: Grant| {
        mint(key, &grant.claims(now)).unwrap().expose_secret().to_owned()
    };
    let foreign = minted(&SigningKey::generate().unwrap(), Grant::full(24 * HOUR));
    for (content, why) in [
        (minted(&key, Grant::full(HOUR / 2)), "it expires in 30 minutes"),
        (foreign, "the key that the server trusts does not verify it"),
        (String::new(), "it was not a token"),
        ("\u{fffd}".to_owned(), "it was not a token"),
    ] {
        fs::write(store.token_path(), content).unwrap();
        let changes = store.ensure(now, false).unwrap();
        assert_eq!(summary(&changes), [("token", Action::Renewed)]);
        assert_eq!(changes[0].why.as_deref(), Some(why));
        assert_eq!(store.ensure(now, false).unwrap(), []);
    }
    for kept in [Grant::default(), Grant::full(2 * HOUR)] {
        fs::write(store.token_path(), format!("{}\n", minted(&key, kept))).unwrap();
        assert_eq!(store.ensure(now, false).unwrap(), []);
    }
    let changes = store.ensure(now + 20 * HOUR, false).unwrap();
    assert_eq!(changes[0].why.as_deref(), Some("it expired 18 hours ago"));
}

#[test]
fn rotation_keeps_a_public_file_with_several_keys() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    store.ensure(now, false).unwrap();
    let old = SigningKey::generate().unwrap();
    let both = format!("{}{}", old.public().to_pem(), text(&store.public_key_path()));
    fs::write(store.public_key_path(), &both).unwrap();
    fs::write(
        store.token_path(),
        mint(&old, &Grant::full(9 * HOUR).claims(now)).unwrap().expose_secret(),
    )
    .unwrap();
    assert_eq!(store.ensure(now, false).unwrap(), []);
    assert_eq!(text(&store.public_key_path()), both);
}

#[test]
fn a_public_file_without_the_own_key_is_never_overwritten() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    store.ensure(now, false).unwrap();
    let foreign = SigningKey::generate().unwrap().public().to_pem();
    fs::write(store.public_key_path(), &foreign).unwrap();
    assert_fails!(store.ensure(now, false), Error::Untrusted { .. });
    assert_eq!(text(&store.public_key_path()), foreign);
    assert_eq!(summary(&store.ensure(now, true).unwrap()), everything(Action::Replaced));
    assert_eq!(store.ensure(now, false).unwrap(), []);
}

#[test]
fn what_a_crash_leaves_is_completed() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    store.ensure(now, false).unwrap();
    let public = text(&store.public_key_path());
    fs::remove_file(store.public_key_path()).unwrap();
    fs::remove_file(store.token_path()).unwrap();
    fs::remove_file(store.cert_path("client_key")).unwrap();
    assert_eq!(
        summary(&store.ensure(now, false).unwrap()),
        [
            ("public key", Action::Created),
            ("token", Action::Created),
            ("certificates", Action::Renewed),
        ]
    );
    assert_eq!(text(&store.public_key_path()), public);
    assert_eq!(store.ensure(now, false).unwrap(), []);

    // A forced run that stopped after its first steps: first only the public key is gone, then the
    // private key is new as well.
    fs::remove_file(store.public_key_path()).unwrap();
    let new = SigningKey::generate().unwrap();
    fs::write(store.key_path(), new.to_pem().expose_secret()).unwrap();
    let changes = store.ensure(now, false).unwrap();
    let expected = [("public key", Action::Created), ("token", Action::Renewed)];
    assert_eq!(summary(&changes)[..2], expected);
    assert_eq!(store.ensure(now, false).unwrap(), []);

    // Files of two different sets.
    let before = text(&store.cert_path("ca_cert.pem"));
    let (_other_folder, other) = self::store();
    other.ensure_certs(now, false).unwrap();
    fs::copy(other.cert_path("ca_cert"), store.cert_path("ca_cert")).unwrap();
    let changes = store.ensure(now, false).unwrap();
    assert_eq!(summary(&changes), [("certificates", Action::Renewed)]);
    assert_ne!(text(&store.cert_path("ca_cert")), before);
}

#[test]
fn certificates_are_renewed_as_a_set_before_they_end() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    store.ensure_certs(now, false).unwrap();
    let before = text(&store.cert_path("client_key"));
    assert_eq!(store.ensure_certs(now + 28 * 24 * HOUR, false).unwrap(), []);
    let later = now + 29 * 24 * HOUR;
    let changes = store.ensure_certs(later, false).unwrap();
    assert_eq!(summary(&changes), [("certificates", Action::Renewed)]);
    assert_ne!(text(&store.cert_path("client_key")), before);
    assert_eq!(store.ensure_certs(later, false).unwrap(), []);
    fs::write(store.cert_path("server_cert"), [0xff, 0x30]).unwrap();
    let changes = store.ensure_certs(later, false).unwrap();
    assert_eq!(summary(&changes), [("certificates", Action::Renewed)]);
}

#[test]
fn missing_and_wrong_files_are_told_apart() {
    let (_folder, store) = store();
    assert_fails!(store.signing_key(), Error::Missing { .. });
    assert_fails!(store.key_set(), Error::Missing { .. });
    assert_fails!(store.certificates(), Error::Missing { .. });
    store.ensure_folders().unwrap();
    fs::write(store.key_path(), [0x30, 0x82, 0xff]).unwrap();
    assert_fails!(store.signing_key(), Error::Binary { .. });
    assert_fails!(store.ensure_keys(false), Error::Binary { .. });
    // A public key alone may belong to tokens that are made elsewhere.
    fs::remove_file(store.key_path()).unwrap();
    fs::write(store.public_key_path(), SigningKey::generate().unwrap().public().to_pem()).unwrap();
    assert_fails!(store.ensure_keys(false), Error::PrivateKeyMissing { .. });
    // With `force`, even unreadable files are replaced.
    fs::write(store.key_path(), "").unwrap();
    assert_eq!(summary(&store.ensure_keys(true).unwrap()), [("keys", Action::Replaced)]);
    assert_eq!(store.ensure_keys(false).unwrap(), []);
}

#[test]
fn runs_at_the_same_time_end_with_one_matching_pair() {
    let (_folder, store) = store();
    let now = Timestamp::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| store.ensure(now, false).unwrap());
        }
    });
    assert_eq!(store.ensure(now, false).unwrap(), []);
}

#[test]
fn changes_read_as_sentences() {
    let change = Change {
        what: "token".to_owned(),
        path: PathBuf::from(".local/jwt/jwt.token"),
        action: Action::Renewed,
        why: Some("it expired 3 hours ago".to_owned()),
    };
    let text = "renewed token in .local/jwt/jwt.token: it expired 3 hours ago";
    assert_eq!(change.to_string(), text);
    assert_eq!(serde_json::to_value(&change).unwrap()["action"], "renewed");
}
