//! What is refused, and with which message.

use super::{inline, service};
use demo_config::Error;

#[test]
fn a_key_that_is_not_honoured_is_named_with_file_and_service() {
    let tail = ", which demo does not honour";
    for (base, over, expected) in [
        ("privileged: true", "", "0.yml: service `s` has the key `privileged`"),
        ("", "build: .", "1.yml: service `s` has the key `build`"),
        ("x-fine: 1", "extensions: {}", "1.yml: service `s` has the key `extensions`"),
        (
            "healthcheck: {test: t, start_interval: 1s}",
            "",
            "0.yml: service `s` has the key `healthcheck.start_interval`",
        ),
        (
            "ports: [{target: 80, app_protocol: http}]",
            "",
            "0.yml: service `s` has the key `ports[0].app_protocol`",
        ),
        (
            "volumes: [{type: bind, source: ., target: /a, bind: {selinux: z}}]",
            "",
            "0.yml: service `s` has the key `volumes[0].bind.selinux`",
        ),
    ] {
        let base = format!("services: {{s: {{image: i, {base}}}}}");
        let over = format!("services: {{s: {{{over}}}}}");
        let error = inline(&[&base, &over]).expect_err(&base);
        assert_eq!(error.to_string(), format!("{expected}{tail}"));
        assert!(matches!(error.downcast_ref(), Some(Error::Unknown { .. })), "{error:?}");
    }
}

#[test]
fn a_key_outside_the_services_is_named_with_its_file() {
    for (text, key) in [
        ("secrets: {a: {file: b}}", "secrets"),
        ("include: [a.yml]", "include"),
        ("volumes: {v: {labels: {a: b}}}", "volumes.v.labels"),
        ("networks: {n: {ipam: {}}}", "networks.n.ipam"),
    ] {
        let error = inline(&["services: {s: {image: i}}", text]).expect_err(text);
        let expected = format!("1.yml has the key `{key}`, which demo does not honour");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn bad_services_are_refused_with_their_place() {
    for (keys, expected) in [
        ("image: 5", "not valid YAML"),
        ("platform: 5", "`platform`: "),
        ("restart: sometimes", "`restart`: "),
        ("restart: true", "`restart`: "),
        ("environment: {A: 1.5}", "`environment.A`: must be a string, not a number"),
        ("environment: {A: [b]}", "`environment.A`: "),
        ("environment: ['=x']", "`environment[0]`: "),
        ("environment: text", "`environment`: must be a mapping"),
        ("environment: ['A=${B:?set B}']", "`environment[0]`: the variable B is required"),
        ("labels: {a: '$'}", "`labels.a`: "),
        ("command: [a, 5]", "`command[1]`: must be a string"),
        ("ports: ['80-81:80-81']", "`ports[0]`: `80-81` is a range"),
        ("ports: ['80/sctp']", "`ports[0].protocol`: "),
        ("ports: 80", "`ports`: must be a list"),
        ("ports: [{published: 8}]", "`ports[0]`: missing field `target`"),
        ("expose: ['1-2']", "`expose[0]`: "),
        ("volumes: ['gone:/a']", "`volumes`: the volume `gone` is not declared"),
        ("volumes: [{type: tmpfs, target: /a}]", "`volumes[0].type`: "),
        ("networks: [gone]", "`networks`: the network `gone` is not declared"),
        ("depends_on: [gone]", "`depends_on`: there is no service `gone`"),
        ("depends_on: {s: {condition: ready}}", "`depends_on.s.condition`: "),
        ("depends_on: {s: {restart: true}}", "`depends_on.s`: missing field `condition`"),
        ("depends_on: [s]", "in a circle: s -> s"),
        ("healthcheck: {test: [true]}", "`healthcheck.test[0]`: "),
        ("healthcheck: {test: [curl]}", "`healthcheck.test`: must start with"),
        ("healthcheck: {test: t, interval: soon}", "`healthcheck.interval`: `soon` is not"),
        ("healthcheck: {test: t, retries: -1}", "`healthcheck.retries`: "),
        ("healthcheck: [t]", "`healthcheck`: must be a mapping"),
    ] {
        let error = service(keys).expect_err(keys);
        let message = error.to_string();
        assert!(message.contains(expected), "{keys}: {message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn bad_files_are_refused() {
    for text in [
        "name: n",
        "services: {}",
        "services: [a]",
        "services: {s: }",
        "services: {s: text}",
        "services: {s: {}}",
        "services: {s: {image: }}",
        "services: {s: {image: ''}}",
        "services: {s: {image: i}}\nname: 5",
        "services: {s: {image: i}}\nname: Upper",
        "services: {s: {image: i}}\nnetworks: [a]",
        "services: {s: {image: i}}\nvolumes: {v: text}",
        "services: {s: {image: i}}\nvolumes: {v: {external: maybe}}",
        "services: {s: {image: i}}\ninclude: [a.yml]",
    ] {
        assert!(inline(&[text]).is_err(), "{text}");
    }
    assert!(inline(&[]).is_err());
}
