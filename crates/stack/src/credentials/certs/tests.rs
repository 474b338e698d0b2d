use std::fs;
use std::path::Path;
use std::process::Command;

use secrecy::ExposeSecret;

use super::*;

const DAY: Duration = Duration::from_hours(24);

fn openssl(folder: &Path, arguments: &str) -> (bool, String) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl is on this machine");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn write(folder: &Path, set: &CertificateSet) {
    for (name, text) in [
        ("ca_cert", set.ca_cert.as_str()),
        ("server_cert", &set.server_cert),
        ("client_cert", &set.client_cert),
        ("server_key", set.server_key.expose_secret()),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn openssl_verifies_the_chain_for_its_purpose_and_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    write(folder, &CertificateSet::generate(Timestamp::now()).unwrap());
    for arguments in [
        "verify -x509_strict -CAfile ca_cert -purpose sslserver -verify_hostname sqld server_cert",
        "verify -x509_strict -CAfile ca_cert -verify_hostname primary server_cert",
        "verify -CAfile ca_cert -verify_ip ::1 server_cert",
        "verify -CAfile ca_cert -verify_ip 127.0.0.1 server_cert",
        "verify -x509_strict -CAfile ca_cert -purpose sslclient client_cert",
    ] {
        let (success, text) = openssl(folder, arguments);
        assert!(success, "{arguments}: {text}");
    }
    for arguments in [
        "verify -CAfile ca_cert -purpose sslserver client_cert",
        "verify -CAfile ca_cert -verify_hostname replica server_cert",
    ] {
        assert!(!openssl(folder, arguments).0, "{arguments}");
    }
    let key = fs::read_to_string(folder.join("server_key")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
    assert!(openssl(folder, "pkey -in server_key -noout -text").1.contains("P-256"));
}

#[test]
fn information_is_what_was_asked_for() {
    let now = Timestamp::from_second(1_800_000_000).unwrap();
    let set = CertificateSet::generate(now).unwrap();
    let read = |text: &str| CertificateInfo::from_pem(text, "x.pem", now).unwrap();
    let (authority, server, client) =
        (read(&set.ca_cert), read(&set.server_cert), read(&set.client_cert));
    assert_eq!(server.names, SERVER_NAMES);
    assert_eq!(server.purposes, ["server"]);
    assert_eq!(client.purposes, ["client"]);
    assert_eq!(authority.purposes, ["ca"]);
    assert_eq!(authority.not_after, now + 30 * DAY);
    assert_eq!((server.serial.len(), server.serial == client.serial), (32, false));
    let text = server.to_string();
    assert!(text.contains("sqld, primary, localhost, 127.0.0.1, ::1"), "{text}");
    assert!(text.contains("expires in 4 weeks 2 days"), "{text}");
    let json = serde_json::to_value(&server).unwrap();
    assert!(json.get("der").is_none() && json["not_after"].is_string(), "{json}");
}

#[test]
fn only_the_own_authority_has_signed() {
    let now = Timestamp::now();
    let (one, two) =
        (CertificateSet::generate(now).unwrap(), CertificateSet::generate(now).unwrap());
    let read = |text: &str| CertificateInfo::from_pem(text, "x.pem", now).unwrap();
    let server = read(&one.server_cert);
    assert!(server.is_signed_by(&read(&one.ca_cert)));
    assert!(read(&one.ca_cert).is_signed_by(&read(&one.ca_cert)));
    // Same name, but another key.
    assert!(!server.is_signed_by(&read(&two.ca_cert)));
    assert!(!read(&one.client_cert).is_signed_by(&server));
}

#[test]
fn problems_are_found_and_named() {
    let now = Timestamp::now();
    let set = CertificateSet::generate(now).unwrap();
    let other = CertificateSet::generate(now).unwrap();
    assert_eq!(set.problem(now), None);
    assert_eq!(set.problem(now + 29 * DAY - Duration::from_mins(1)), None);
    let problem = |change: &dyn Fn(&mut CertificateSet)| {
        let mut changed = set.clone();
        change(&mut changed);
        changed.problem(now).unwrap_or_default()
    };
    for (found, expected) in [
        (set.problem(now + 29 * DAY).unwrap(), "ca_cert.pem expires in"),
        (set.problem(now + 40 * DAY).unwrap(), "ca_cert.pem expired 1 week ago"),
        (set.problem(now - DAY).unwrap(), "ca_cert.pem is not valid before"),
        (problem(&|set| set.ca_cert.clear()), "ca_cert.pem is empty"),
        (problem(&|set| set.ca_cert.clone_from(&other.ca_cert)), "ca_key.pem is not the key of"),
        (
            problem(&|set| set.server_cert.clone_from(&other.server_cert)),
            "server_cert.pem is not signed by the CA",
        ),
        (
            problem(&|set| set.client_key = other.client_key.clone()),
            "client_key.pem is not the key of client_cert.pem",
        ),
        (
            problem(&|set| {
                set.server_cert.clone_from(&set.client_cert);
                set.server_key = set.client_key.clone();
            }),
            "server_cert.pem is not for a server",
        ),
        (
            problem(&|set| {
                let text = set.server_key.expose_secret().replace("PRIVATE", "EC PRIVATE");
                set.server_key = SecretString::from(text);
            }),
            "server_key.pem is not in PKCS#8 format",
        ),
    ] {
        assert!(found.starts_with(expected), "{found} / {expected}");
    }
}

#[test]
fn a_certificate_without_the_name_that_sqld_wants_is_a_problem() {
    let now = Timestamp::now();
    let mut set = CertificateSet::generate(now).unwrap();
    let key = KeyPair::from_pem(set.ca_key.expose_secret()).unwrap();
    let mut params = parameters("demo local CA", &[], now).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).unwrap();
    let purpose = ExtendedKeyUsagePurpose::ServerAuth;
    (set.server_cert, set.server_key) =
        issue("demo server", &["localhost"], purpose, &authority, now).unwrap();
    assert_eq!(set.problem(now).unwrap(), "server_cert.pem lacks the name `sqld`");
}

#[test]
fn what_is_no_certificate_is_named() {
    let now = Timestamp::now();
    let set = CertificateSet::generate(now).unwrap();
    for (text, expected) in [
        ("", "c.pem is empty"),
        ("x", "c.pem is not a PEM file: it has no line `-----BEGIN ...-----`"),
        (set.ca_key.expose_secret(), "c.pem holds an EC private key, not a certificate"),
        (&set.ca_cert.replace("MII", "AII"), "c.pem holds a damaged certificate"),
    ] {
        let error = CertificateInfo::from_pem(text, "c.pem", now).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn debug_shows_no_key() {
    let set = CertificateSet::generate(Timestamp::now()).unwrap();
    assert!(!format!("{set:?}").contains("PRIVATE KEY"));
}
