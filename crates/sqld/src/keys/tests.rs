use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;

fn openssl(folder: &Path, arguments: &str) -> String {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is on this machine");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn message(result: Result<impl Sized, Error>) -> String {
    let error = result.err().expect("an error");
    // Says which kind of key is needed.
    assert!(!matches!(error, Error::Pem { .. }), "{error:?}");
    let message = error.to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

#[test]
fn openssl_reads_what_is_written_here() {
    let folder = TempDir::new().unwrap();
    let key = SigningKey::generate().unwrap();
    fs::write(folder.path().join("key"), key.to_pem().expose_secret()).unwrap();
    assert_eq!(openssl(folder.path(), "pkey -in key -pubout"), key.public().to_pem());
    assert_eq!(openssl(folder.path(), "pkey -in key"), key.to_pem().expose_secret());
}

#[test]
fn keys_of_openssl_are_taken() {
    let folder = TempDir::new().unwrap();
    let text = openssl(folder.path(), "genpkey -algorithm ed25519");
    let key = SigningKey::from_pem(&text, "key").unwrap();
    assert_eq!(key.to_pem().expose_secret(), text);
    let around = format!("a note\r\n\r\n{}\r\nmore", text.replace('\n', "\r\n"));
    assert_eq!(SigningKey::from_pem(&around, "key").unwrap().public(), key.public());
}

#[test]
fn version_two_with_its_public_key_is_taken_when_both_fit() {
    let key = SigningKey::generate().unwrap();
    let version_two = |public: &PublicKey| {
        let mut der = vec![0x30, 0x51, 0x02, 0x01, 0x01];
        der.extend_from_slice(&key.to_der()[5..]);
        der.extend_from_slice(&[0x81, 0x21, 0x00]);
        der.extend_from_slice(public.as_bytes());
        pem::encode("PRIVATE KEY", &der)
    };
    let read = SigningKey::from_pem(&version_two(&key.public()), "key").unwrap();
    assert_eq!(read.public(), key.public());
    let other = SigningKey::generate().unwrap().public();
    let text = message(SigningKey::from_pem(&version_two(&other), "key"));
    assert_eq!(text, "key contains a damaged private key");
}

#[test]
fn what_is_no_private_key_is_named() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let key = SigningKey::generate().unwrap();
    fs::write(folder.join("own"), key.to_pem().expose_secret()).unwrap();
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n\
                  -----END RSA PRIVATE KEY-----\n";
    let whole = key.to_pem().expose_secret().to_owned();
    let certificate = openssl(folder, "req -x509 -key own -subj /CN=x");
    for (text, expected) in [
        (String::new(), "k is empty"),
        ("\n \n".to_owned(), "k is empty"),
        ("hello".to_owned(), "k is not a PEM file: it has no line `-----BEGIN ...-----`"),
        (whole[..70].to_owned(), "k is damaged: a PEM block in it has no end"),
        (whole.replace("MC4", "MC5"), "k contains a damaged private key"),
        (whole.replace("MC4", "****"), "k contains a damaged private key"),
        (key.public().to_pem(), "k contains an Ed25519 public key, not a private key"),
        (certificate, "k contains a certificate, not a private key"),
        (
            openssl(folder, "genpkey -algorithm rsa"),
            "k contains an RSA private key; the server accepts only Ed25519",
        ),
        (
            openssl(folder, "ecparam -name prime256v1 -genkey"),
            "k contains an EC private key; the server accepts only Ed25519",
        ),
        (
            openssl(folder, "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256"),
            "k contains an EC private key; the server accepts only Ed25519",
        ),
        (
            openssl(folder, "genpkey -algorithm x25519"),
            "k contains an X25519 private key; the server accepts only Ed25519",
        ),
        (
            openssl(folder, "pkcs8 -topk8 -in own -passout pass:secret"),
            "k contains an encrypted private key, and demo cannot ask for its passphrase",
        ),
        (
            legacy.to_owned(),
            "k contains an encrypted RSA private key, and demo cannot ask for its passphrase",
        ),
    ] {
        assert_eq!(message(SigningKey::from_pem(&text, "k")), expected);
    }
}

#[test]
fn what_is_no_public_key_is_named() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path();
    let key = SigningKey::generate().unwrap();
    let public = key.public().to_pem();
    fs::write(folder.join("rsa"), openssl(folder, "genpkey -algorithm rsa")).unwrap();
    let private = key.to_pem().expose_secret().to_owned();
    for (text, expected) in [
        (String::new(), "p is empty"),
        ("x".repeat(42), "p is not a PEM file: it has no line `-----BEGIN ...-----`"),
        (private.clone(), "p contains an Ed25519 private key, not a public key"),
        (format!("{public}{private}"), "p contains an Ed25519 private key, not a public key"),
        (
            openssl(folder, "pkey -in rsa -pubout"),
            "p contains an RSA public key; the server accepts only Ed25519",
        ),
        (format!("\n{public}"), "p has text before its first key, which the server refuses"),
        (
            format!("{}\n", URL_SAFE_NO_PAD.encode(key.public().as_bytes())),
            "p has white space around its key, which the server refuses",
        ),
    ] {
        assert_eq!(message(KeySet::parse(&text, "p")), expected);
    }
    let two = format!("{public}{public}");
    assert_eq!(message(PublicKey::from_pem(&two, "p")), "p contains 2 keys, not one");
}

#[test]
fn a_set_holds_one_key_or_several() {
    let keys: Vec<_> = (0..3).map(|_| SigningKey::generate().unwrap().public()).collect();
    let text: String = keys.iter().map(PublicKey::to_pem).collect();
    assert_eq!(KeySet::parse(&text, "p").unwrap().0, keys);
    let short = URL_SAFE_NO_PAD.encode(keys[0].as_bytes());
    assert_eq!(KeySet::parse(&short, "p").unwrap().0, keys[..1]);
    assert_eq!(PublicKey::from_pem(&keys[0].to_pem(), "p").unwrap(), keys[0]);
}

#[test]
fn the_thumbprint_is_that_of_the_standard() {
    // The key and the thumbprint of RFC 8037, appendix A.
    let set = KeySet::parse("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "p").unwrap();
    let thumbprint = set.0[0].thumbprint();
    assert_eq!(thumbprint, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let theirs = set.0[0].jwk().thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256);
    assert_eq!(theirs.unwrap(), thumbprint);
}

#[test]
fn debug_shows_no_secret() {
    let key = SigningKey::generate().unwrap();
    assert_eq!(format!("{key:?}"), r#"SigningKey("[masked]")"#);
}
