//! Merges an override into the files before it, with the exceptions that Compose makes.

use serde_json::{Map, Value};

/// Merges the normalised file `over` into `base`.
pub(super) fn file(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (section, value) in over {
        if section != "services" {
            put(base, section, value);
            continue;
        }
        let slot = base.entry(section).or_insert_with(|| Map::new().into());
        let (Value::Object(services), Value::Object(over)) = (slot, value) else {
            continue;
        };
        for (name, over) in over {
            let slot = services.entry(name).or_insert_with(|| Map::new().into());
            if let (Value::Object(service), Value::Object(over)) = (slot, over) {
                merge_service(service, over);
            }
        }
    }
}

fn merge_service(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match key.as_str() {
            "command" | "entrypoint" => drop(base.insert(key, value)),
            "ports" => put_unique(base, key, value, port_identity),
            "volumes" => put_unique(base, key, value, |mount| mount["target"].to_string()),
            "expose" => put_unique(base, key, value, Value::to_string),
            "healthcheck" => {
                // The new test is a different command; its words are not appended to the old one.
                if value.get("test").is_some()
                    && let Some(Value::Object(check)) = base.get_mut(&key)
                {
                    check.remove("test");
                }
                put(base, key, value);
            }
            _ => put(base, key, value),
        }
    }
}

/// Two ports with the same identity are one port.
fn port_identity(port: &Value) -> String {
    let host_ip = port["host_ip"].as_str().unwrap_or("0.0.0.0");
    format!("{host_ip} {} {} {}", port["target"], port["published"], port["protocol"])
}

/// Mappings merge, lists append, everything else is replaced.
fn put(base: &mut Map<String, Value>, key: String, over: Value) {
    match (base.get_mut(&key), over) {
        (Some(Value::Object(base)), Value::Object(over)) => {
            for (key, value) in over {
                put(base, key, value);
            }
        }
        (Some(Value::Array(base)), Value::Array(over)) => base.extend(over),
        // A null in an override does not remove the earlier value.
        (Some(Value::Object(_) | Value::Array(_)), Value::Null) => {}
        (_, over) => drop(base.insert(key, over)),
    }
}

/// Appends to a list; an item with the identity of an earlier one replaces it.
fn put_unique(
    base: &mut Map<String, Value>,
    key: String,
    over: Value,
    identity: impl Fn(&Value) -> String,
) {
    let slot = base.entry(key).or_insert_with(|| Value::Array(Vec::new()));
    let (Value::Array(list), Value::Array(over)) = (slot, over) else {
        return;
    };
    for item in over {
        match list.iter().position(|earlier| identity(earlier) == identity(&item)) {
            Some(index) => list[index] = item,
            None => list.push(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn merged(base: Value, over: Value) -> Value {
        let mut result = Map::new();
        for value in [base, over] {
            if let Value::Object(map) = value {
                file(&mut result, map);
            }
        }
        result.into()
    }

    fn service(base: &Value, over: &Value) -> Value {
        merged(json!({"services": {"s": base}}), json!({"services": {"s": over}}))["services"]["s"]
            .take()
    }

    #[test]
    fn each_key_merges_as_in_compose() {
        for (base, over, expected) in [
            (json!({"image": "a"}), json!({"image": "b"}), json!({"image": "b"})),
            (json!({"command": ["a", "b"]}), json!({"command": ["c"]}), json!({"command": ["c"]})),
            (json!({"command": ["a"]}), json!({"command": null}), json!({"command": null})),
            (
                json!({"environment": {"A": "1", "B": "2"}}),
                json!({"environment": {"B": null, "C": "3"}}),
                json!({"environment": {"A": "1", "B": null, "C": "3"}}),
            ),
            (
                json!({"healthcheck": {"test": ["CMD", "a"], "retries": 3}}),
                json!({"healthcheck": {"test": ["NONE"]}}),
                json!({"healthcheck": {"retries": 3, "test": ["NONE"]}}),
            ),
            (
                json!({"expose": ["1", "2"]}),
                json!({"expose": ["2", "3"]}),
                json!({"expose": ["1", "2", "3"]}),
            ),
            (
                json!({"volumes": [{"target": "/a", "read_only": true}, {"target": "/b"}]}),
                json!({"volumes": [{"target": "/a"}, {"target": "/c"}]}),
                json!({"volumes": [{"target": "/a"}, {"target": "/b"}, {"target": "/c"}]}),
            ),
            (
                json!({"ports": [{"target": 1, "published": 2}]}),
                json!({"ports": [{"target": 1, "published": 3}, {"target": 1, "published": 2, "host_ip": "0.0.0.0"}]}),
                json!({"ports": [
                    {"target": 1, "published": 2, "host_ip": "0.0.0.0"},
                    {"target": 1, "published": 3},
                ]}),
            ),
            (json!({"labels": {"a": "1"}}), json!({"labels": null}), json!({"labels": {"a": "1"}})),
        ] {
            assert_eq!(service(&base, &over), expected, "{base} + {over}");
        }
    }

    #[test]
    fn services_and_other_sections_are_kept() {
        let base = json!({"services": {"a": {}}, "volumes": {"v": {"driver": "x"}}});
        let over = json!({"services": {"b": {}}, "volumes": {"v": {"name": "n"}}, "x-a": [1]});
        assert_eq!(
            merged(base, over),
            json!({
                "services": {"a": {}, "b": {}},
                "volumes": {"v": {"driver": "x", "name": "n"}},
                "x-a": [1],
            })
        );
    }

    fn any_service() -> impl Strategy<Value = Value> {
        let pairs = proptest::collection::btree_map("[A-Z]", "[a-z]*", 0..4);
        let targets = proptest::collection::btree_set("/[a-z]{1,3}", 0..4);
        let words = proptest::collection::vec("[a-z]*", 0..4);
        (pairs, targets, words).prop_map(|(environment, targets, words)| {
            let mounts: Vec<Value> = targets
                .into_iter()
                .map(|target| json!({"type": "volume", "target": target}))
                .collect();
            json!({"environment": environment, "volumes": mounts, "command": words})
        })
    }

    proptest! {
        #[test]
        fn an_empty_override_changes_nothing(service in any_service()) {
            let base = json!({"services": {"s": service}});
            for over in [json!({}), json!({"services": {}}), json!({"services": {"s": {}}})] {
                prop_assert_eq!(merged(base.clone(), over), base.clone());
            }
        }
    }
}
