use super::*;

const SMALLEST: &str = "\
login:
  issuer: https://i.example/auth/v1
  audience: authenticated
  jwks: https://i.example/keys
token:
  databaseUrl: https://{namespace}.db.example.com
keys:
  active: jwt.key
admin:
  url: http://127.0.0.1:18082
";

fn load(text: &str) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mint.yaml");
    std::fs::write(&path, text).unwrap();
    let variables = BTreeMap::from([("SECRET".to_owned(), "hunter2-hunter2".to_owned())]);
    Config::load(&path, &variables).map_err(|error| error.to_string())
}

#[test]
fn the_smallest_file_has_sensible_defaults() {
    let config = load(SMALLEST).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:18091");
    assert_eq!(config.limits.per_user_per_minute.get(), 60);
    assert_eq!(config.limits.per_address_per_minute.get(), 600);
    assert_eq!(config.token.lifetime.0.as_secs(), 3600);
    assert_eq!(config.token.namespace.of("u").unwrap().as_str(), "db-u");
    assert!(config.keys.active.is_absolute() && config.keys.active.ends_with("jwt.key"));
    assert!(config.origins.is_empty());
}

#[test]
fn the_listeners_are_named_beside_the_admin_api_of_the_server() {
    let top = "adminListen: 127.0.0.1:9\nplaintext: true\ntls: {certificate: c.pem, key: k.pem}\n\
               limits: {connections: 100, connectionsPerAddress: 10, idle: 2s}\n";
    let listen = load(&format!("{SMALLEST}{top}")).unwrap().listener();
    assert!(listen.plaintext && listen.admin.unwrap().port() == 9);
    assert_eq!((listen.limits.connections, listen.limits.per_address), (100, 10));
    assert_eq!(listen.limits.idle.as_secs(), 2);
    let tls = listen.tls.unwrap();
    assert!(tls.certificate.is_absolute() && tls.key.is_absolute());
}

#[test]
fn an_error_names_the_key_and_not_the_value() {
    for (from, to, key) in [
        ("jwks: https://i.example/keys", "secret: ${SECRET}", "`login.secret`"),
        ("jwks: https://i.example/keys", "jwks: http://i.example/hunter2", "`login.jwks`"),
        ("  jwks:", "  secret: 0123456789012345678901234567890123hunter2\n  jwks:", "`login`"),
        ("audience: authenticated", "audience: ''", "`login.audience`"),
        ("audience: authenticated", "audience: a\n  colour: hunter2", "`login.colour`"),
        ("databaseUrl:", "lifetime: 9y\n  databaseUrl:", "`token.lifetime`"),
        ("databaseUrl:", "namespace: hunter2\n  databaseUrl:", "`token.namespace`"),
        ("databaseUrl:", "namespace: '{sub}'\n  databaseUrl:", "`token.namespace`"),
        ("databaseUrl:", "reservedNames: [HUNTER 2]\n  databaseUrl:", "`token.reservedNames[0]`"),
        ("url: http:", "schema: a.sql\n  url: http:", "`admin.server`"),
        ("url: http:", "key: hunter2 x\n  url: http:", "`admin.key`"),
        ("keys:", "limits: {perUserPerMinute: 0}\nkeys:", "`limits.perUserPerMinute`"),
        ("keys:", "origins: ['*']\nkeys:", "`origins[0]`"),
        ("jwks: https://i.example/keys", "role: a", ""),
    ] {
        assert!(SMALLEST.contains(from), "{from}");
        let outcome = load(&SMALLEST.replacen(from, to, 1));
        if key.is_empty() {
            // Without a source of keys, an https issuer is discovered.
            outcome.unwrap();
            continue;
        }
        let error = outcome.unwrap_err();
        assert!(error.contains(key) && !error.contains("hunter2"), "{key}: {error}");
    }
    let nowhere = SMALLEST.replace("https://i.example/auth/v1", "somebody");
    load(&nowhere).unwrap();
    let error = load(&nowhere.replace("  jwks: https://i.example/keys\n", "")).unwrap_err();
    assert!(error.contains("`login.issuer`"), "{error}");
}

/// A subject must not become the name of one of the operator's namespaces.
#[test]
fn read_a_user_cannot_be_named_like_a_namespace_of_the_operators() {
    let with = |lines: &str| {
        load(&SMALLEST.replacen("databaseUrl:", &format!("{lines}\n  databaseUrl:"), 1))
    };
    let error = with("namespace: '{sub}'").unwrap_err();
    assert!(error.contains("db-{sub}") && error.contains("`token.reservedNames`"), "{error}");
    let bare = with("namespace: '{sub}'\n  reservedNames: [shop, ops]").unwrap().token;
    assert_eq!(bare.namespace_of("alice").unwrap().as_str(), "alice");
    for subject in ["shop", "ops", "default", "Shop"] {
        assert_eq!(bare.namespace_of(subject), None, "{subject}");
    }
    let open = with("namespace: '{sub}'\n  reservedNames: []").unwrap().token;
    assert_eq!(open.namespace_of("shop").unwrap().as_str(), "shop");
    let prefixed = with("reservedNames: [db-shop]").unwrap().token;
    assert_eq!(prefixed.namespace_of("shop"), None);
    assert_eq!(prefixed.namespace_of("shops").unwrap().as_str(), "db-shops");
    with("namespace: '{subHash}'").unwrap();
}
