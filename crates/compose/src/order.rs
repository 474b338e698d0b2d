//! The start order of services.

use std::collections::BTreeMap;

use super::model::Service;
use crate::Error;

/// Dependencies first, then by name. A missing dependency is ignored: either it is optional, or the
/// check of references has refused it already.
pub(super) fn dependencies_first(services: &BTreeMap<String, Service>) -> Result<Vec<&str>, Error> {
    let mut order: Vec<&str> = Vec::with_capacity(services.len());
    while order.len() < services.len() {
        let next = services.iter().find(|(name, service)| {
            !order.contains(&name.as_str()) && waits_for(service, services, &order).is_none()
        });
        match next {
            Some((name, _)) => order.push(name),
            None => return Err(circle(services, &order)),
        }
    }
    Ok(order)
}

/// The first dependency that has not started yet.
fn waits_for<'a>(
    service: &'a Service,
    services: &BTreeMap<String, Service>,
    started: &[&str],
) -> Option<&'a str> {
    service
        .depends_on
        .keys()
        .map(String::as_str)
        .find(|name| services.contains_key(*name) && !started.contains(name))
}

/// Every remaining service waits for another one, so following the dependencies leads into a cycle.
fn circle(services: &BTreeMap<String, Service>, started: &[&str]) -> Error {
    let mut path: Vec<&str> = Vec::new();
    let mut current = services.keys().map(String::as_str).find(|name| !started.contains(name));
    while let Some(name) = current {
        if let Some(start) = path.iter().position(|seen| *seen == name) {
            path.drain(..start);
            path.push(name);
            break;
        }
        path.push(name);
        current = services.get(name).and_then(|s| waits_for(s, services, started));
    }
    Error::Circle { circle: path.into_iter().map(str::to_owned).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::model::{Condition, Dependency};
    use super::*;

    fn services(spec: &[(&str, &[&str])]) -> BTreeMap<String, Service> {
        let dependency =
            Dependency { condition: Condition::ServiceStarted, restart: false, required: true };
        spec.iter()
            .map(|(name, needs)| {
                let depends_on =
                    needs.iter().map(|n| ((*n).to_owned(), dependency.clone())).collect();
                ((*name).to_owned(), Service { depends_on, ..Service::default() })
            })
            .collect()
    }

    #[test]
    fn dependencies_come_first_and_ties_go_by_name() {
        for (spec, expected) in [
            (vec![("b", &[][..]), ("a", &[])], vec!["a", "b"]),
            (vec![("a", &["b"][..]), ("b", &[])], vec!["b", "a"]),
            (
                vec![("a", &["z"][..]), ("z", &[]), ("c", &["a"]), ("b", &["a"])],
                vec!["z", "a", "b", "c"],
            ),
            (vec![("a", &["gone"][..])], vec!["a"]),
        ] {
            assert_eq!(dependencies_first(&services(&spec)).unwrap(), expected);
        }
    }

    #[test]
    fn a_circle_is_named_without_what_leads_to_it() {
        let services = services(&[("a", &["b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])]);
        let message = dependencies_first(&services).unwrap_err().to_string();
        assert!(message.ends_with(": b -> c -> b"), "{message}");
        assert!(dependencies_first(&self::services(&[("a", &["a"])])).is_err());
    }
}
