use proptest::prelude::*;

use super::*;

fn head(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn seen(uri: &str, pairs: &[(&str, &str)], path: Option<&str>) -> Result<String, Closed> {
    let uri: Uri = uri.parse().unwrap();
    namespace("localhost", &uri, &head(pairs), path).map(|name| name.to_string())
}

#[test]
fn every_selector_alone_names_the_namespace() {
    for host in [
        "shop.localhost",
        "shop.localhost:80",
        "SHOP.LocalHost:80",
        "shop.localhost.",
        "shop.localhost.:1",
    ] {
        assert_eq!(seen("/", &[("host", host)], None), Ok("shop".into()), "{host}");
        let uri = format!("http://{host}/");
        assert_eq!(seen(&uri, &[], None), Ok("shop".into()), "{uri}");
    }
    assert_eq!(seen("/", &[("x-namespace", "shop")], None), Ok("shop".into()));
    assert_eq!(seen("/", &[("x-namespace-bin", "c2hvcA")], None), Ok("shop".into()));
    assert_eq!(seen("/", &[("x-namespace-bin", "c2hvcA==")], None), Ok("shop".into()));
    assert_eq!(seen("/", &[], Some("shop")), Ok("shop".into()));
}

#[test]
fn some_hosts_name_no_namespace() {
    for host in [
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "127.0.0.1:80",
        "[::1]:80",
        "[::1]",
        "shop.example.com",
        "notlocalhost",
        "",
    ] {
        assert_eq!(seen("/", &[("host", host)], None), Err(Closed::NoName), "{host}");
        assert_eq!(seen("/", &[("host", host)], Some("a")), Ok("a".into()), "{host}");
    }
}

#[test]
fn an_invalid_host_is_refused_even_beside_another_selector() {
    for host in [
        ".localhost",
        "a.b.localhost",
        "-a.localhost",
        "é.localhost",
        "a.localhost:x",
        "u@a.localhost",
        "a b.localhost",
        "a.localhost,b.localhost",
        "a%2eb.localhost",
        "..localhost",
        "a.localhost:80:80",
    ] {
        let Ok(value) = HeaderValue::from_str(host) else { continue };
        let mut headers = head(&[("x-namespace", "a")]);
        headers.insert(header::HOST, value);
        let got = namespace("localhost", &Uri::from_static("/"), &headers, None);
        assert_eq!(got, Err(Closed::NotAName("host")), "{host}");
    }
}

#[test]
fn selectors_that_disagree_are_refused() {
    let own = ("host", "a.localhost");
    for other in [("x-namespace", "b"), ("x-namespace-bin", "Yg")] {
        assert_eq!(seen("/", &[own, other], None), Err(Closed::Disagreement));
    }
    assert_eq!(seen("/", &[own], Some("b")), Err(Closed::Disagreement));
    assert_eq!(seen("http://b.localhost/", &[own], None), Err(Closed::Disagreement));
    assert_eq!(seen("/", &[own, ("x-namespace", "a")], Some("a")), Ok("a".into()));
}

#[test]
fn a_repeated_header_is_refused_even_with_the_same_value() {
    for (name, value) in [("host", "a.localhost"), ("x-namespace", "a"), ("x-namespace-bin", "YQ")]
    {
        let got = seen("/", &[(name, value), (name, value)], Some("a"));
        assert!(matches!(got, Err(Closed::Repeated(_))), "{name}: {got:?}");
    }
}

#[test]
fn names_that_harm_the_server_are_refused() {
    for name in ["../../x", "a/b", "A", "a b", "", "a.b"] {
        assert!(matches!(seen("/", &[("x-namespace", name)], None), Err(Closed::NotAName(_))));
        let binary = BASE64.encode(name);
        let got = seen("/", &[("x-namespace-bin", &binary)], None);
        assert!(matches!(got, Err(Closed::NotAName(_))), "{name}");
        assert!(matches!(seen("/", &[], Some(name)), Err(Closed::NotAName(_))), "{name}");
    }
    for junk in ["!", "YQ=", "YR", "Y"] {
        let got = seen("/", &[("x-namespace-bin", junk)], None);
        let tolerated = junk == "YQ=";
        assert_eq!(matches!(got, Err(Closed::NotAName(_))), !tolerated, "{junk}: {got:?}");
    }
}

proptest! {
    /// The result is either an error or a name on which all used selectors agree.
    #[test]
    fn the_result_is_a_name_that_every_selector_names(
        host in proptest::option::of("[a-cA-C.]{0,3}(localhost)?[.]?(:[0-9]{1,3})?"),
        plain in proptest::option::of("[a-c]{0,2}"),
        binary in proptest::option::of("[a-c]{0,2}"),
        path in proptest::option::of("[a-c]{0,2}"),
    ) {
        let mut headers = HeaderMap::new();
        if let Some(host) = &host {
            headers.insert(header::HOST, host.parse().unwrap());
        }
        if let Some(plain) = &plain {
            headers.insert(PLAIN, plain.parse().unwrap());
        }
        if let Some(binary) = &binary {
            headers.insert(BINARY, BASE64.encode(binary).parse().unwrap());
        }
        let uri = Uri::from_static("/");
        if let Ok(found) = namespace("localhost", &uri, &headers, path.as_deref()) {
            for named in [&plain, &binary, &path].into_iter().flatten() {
                prop_assert_eq!(found.as_str(), named);
            }
            let by_host = host.as_deref().and_then(|host| host.to_ascii_lowercase().split_once(".localhost").map(|(label, _)| label.to_owned()));
            if let Some(label) = by_host {
                prop_assert_eq!(found.as_str(), label);
            }
        }
    }

    #[test]
    fn an_encoded_name_is_read_back(name in "[a-z0-9][a-z0-9_-]{0,62}") {
        let name: NamespaceName = name.parse().unwrap();
        let mut headers = HeaderMap::new();
        let value = encode(&name);
        prop_assert!(!value.to_str().unwrap().contains('='));
        headers.insert(BINARY, value);
        prop_assert_eq!(namespace("localhost", &Uri::from_static("/"), &headers, None), Ok(name));
    }
}
