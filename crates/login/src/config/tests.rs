//! Tests of every rule of the configuration file, and of the error messages.

use secrecy::ExposeSecret;

use super::*;

fn read(text: &str) -> Result<Config, String> {
    let variables = BTreeMap::from([("URL".to_owned(), "http://127.0.0.1:1".to_owned())]);
    let raw: Raw =
        config_file::parse("a.yaml", text, &variables).map_err(|error| error.to_string())?;
    raw.check("a.yaml", Path::new("/etc/demo")).map_err(|error| error.to_string())
}

#[test]
fn without_a_backend_the_files_are_beside_the_configuration() {
    let config = read("storage: ./s\n").unwrap();
    assert_eq!(config.max_users, None);
    assert_eq!(config.listen.to_string(), "127.0.0.1:7677");
    let Backend::Local(files) = config.backend else { panic!("{config:?}") };
    assert_eq!(files.htpasswd, Path::new("/etc/demo/./s/htpasswd"));
    let text =
        "auth:\n  htpasswd:\n    file: users\n    max_users: 7\n  tokens:\n    file: /t.db\n";
    let config = read(text).unwrap();
    assert_eq!(config.max_users, Some(7));
    let Backend::Local(files) = config.backend else { panic!("{config:?}") };
    assert_eq!(files.htpasswd, Path::new("/etc/demo/users"));
    assert_eq!(files.tokens, Path::new("/t.db"));
}

#[test]
fn the_listeners_are_as_the_other_services_have_them() {
    let text = "admin: 127.0.0.1:9\nplaintext: true\ntls: {certificate: c.pem, key: /k.pem}\n";
    let listen = read(text).unwrap().listener();
    assert!(listen.plaintext && listen.admin.unwrap().port() == 9);
    let tls = listen.tls.unwrap();
    assert_eq!((tls.certificate, tls.key), ("/etc/demo/c.pem".into(), "/k.pem".into()));
    let listen = read("adminListen: 127.0.0.1:9\n").unwrap().listener();
    assert!(!listen.plaintext && listen.tls.is_none() && listen.admin.is_some());
}

#[test]
fn registration_is_closed_unless_the_number_is_positive() {
    for number in ["-1", "0"] {
        let text = format!("auth:\n  htpasswd:\n    max_users: {number}\n");
        assert_eq!(read(&text).unwrap().max_users, None, "{number}");
    }
}

#[test]
fn l5_and_h5_limits_have_defaults_and_can_be_set() {
    let limits = read("listen: 127.0.0.1:0\n").unwrap().limits;
    assert_eq!(limits.tokens.max_age, Duration::from_secs(365 * 24 * 60 * 60));
    assert_eq!(limits.tokens.per_user.get(), 100);
    let registrations = limits.registrations;
    assert_eq!((registrations.per_minute.get(), registrations.burst.get()), (10, 20));
    let text = "trustedProxies: [10.0.0.1, 192.168.0.0/16]\nauth:\n  tokens:\n    max_age: 90days\n    \
                per_user: 5\n  registrations:\n    burst: 3\n";
    let limits = read(text).unwrap().limits;
    assert_eq!(limits.tokens.max_age, Duration::from_secs(90 * 24 * 60 * 60));
    assert_eq!(limits.tokens.per_user.get(), 5);
    assert_eq!(limits.registrations.burst.get(), 3);
    assert_ne!(limits.trusted_proxies, demo_service::peer::TrustedProxies::default());
    for bad in [
        "trustedProxies: [everywhere]\n",
        "auth:\n  tokens:\n    max_age: 0s\n",
        "auth:\n  tokens:\n    per_user: 0\n",
        "auth:\n  registrations:\n    per_minute: 0\n",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_replica_syncs_every_minute_unless_told_otherwise() {
    let replica = |more: &str| {
        let text = format!("backend:\n  libsql:\n    url: ${{URL}}\n    replicaPath: r.db\n{more}");
        let Backend::Libsql(libsql) = read(&text).unwrap().backend else { panic!("{text}") };
        assert_eq!(libsql.url.expose_secret(), "http://127.0.0.1:1");
        libsql.replica.unwrap()
    };
    assert_eq!(replica("").interval, Some(Duration::from_secs(60)));
    assert_eq!(replica("").path, Path::new("/etc/demo/r.db"));
    assert_eq!(replica("").serve_stale, Duration::ZERO);
    assert_eq!(replica("    syncIntervalSecs: 0\n").interval, None);
    let stale = replica("    syncIntervalSecs: 5\n    serveStaleSecs: 30\n");
    assert_eq!(stale.interval, Some(Duration::from_secs(5)));
    assert_eq!(stale.serve_stale, Duration::from_secs(30));
}

#[cfg(feature = "backend-postgres")]
#[test]
fn postgres_has_two_names() {
    for name in ["postgres", "postgresql"] {
        let text = format!("backend:\n  {name}:\n    url: postgres://h/d\n");
        let Backend::Postgres(sql) = read(&text).unwrap().backend else { panic!("{name}") };
        assert_eq!(sql.connections.get(), 16);
    }
}

#[test]
fn every_broken_rule_names_its_key() {
    let table = [
        ("colour: red\n", "unknown field `colour`"),
        ("auth:\n  htpasswd:\n    size: 1\n", "`auth.htpasswd.size`"),
        ("auth:\n  htpasswd:\n    max_users: many\n", "`auth.htpasswd.max_users`"),
        ("auth:\n  tokens:\n    path: x\n", "`auth.tokens.path`"),
        ("listen: here\n", "`listen`"),
        ("backend:\n", "`backend` names no database"),
        ("backend: {}\n", "`backend` names no database"),
        ("backend:\n  oracle: {}\n", "`backend.oracle`"),
        ("backend:\n  libsql: {}\n", "`backend.libsql`: missing field `url`"),
        ("backend:\n  libsql:\n    url: x\n    auth_token: y\n", "`backend.libsql.auth_token`"),
        ("backend:\n  libsql:\n    url: ${NONE}\n", "NONE"),
        (
            "backend:\n  libsql:\n    url: http://x\n  mysql:\n    url: mysql://x\n",
            "names more than one: libsql, mysql",
        ),
        (
            "backend:\n  postgres:\n    url: postgres://x\n  postgresql:\n    url: postgres://x\n",
            "names more than one: postgres, postgresql",
        ),
        ("backend:\n  mysql:\n    url: mysql://x\n    maxConnections: 0\n", "maxConnections`"),
    ];
    for (text, part) in table {
        let error = read(text).unwrap_err();
        assert!(error.starts_with("a.yaml") && error.contains(part), "{text}: {error}");
    }
}

#[test]
fn a_url_of_another_kind_is_refused_and_not_repeated() {
    let error = read("backend:\n  libsql:\n    url: mysql://u:hunter2@h\n").unwrap_err();
    assert!(error.contains("`backend.libsql.url`") && !error.contains("hunter2"), "{error}");
    let text = "backend:\n  libsql:\n    url: http://x\n    serveStaleSecs: 5\n";
    assert!(read(text).unwrap_err().contains("needs `replicaPath`"));
}

#[cfg(not(feature = "backend-mysql"))]
#[test]
fn a_backend_that_was_not_built_in_names_its_feature() {
    let error = read("backend:\n  mysql:\n    url: mysql://x\n").unwrap_err();
    assert!(error.contains("built without backend-mysql"), "{error}");
}
