//! The container of each service, as it is requested from the Docker API.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Error, spec, start_failure};
use crate::engine::{self, PortInUse};
use crate::plan::StackPlan;
use crate::plan::blueprint::{Blueprint, Variants};
use demo_base::error::find;

fn plan(variants: Variants) -> StackPlan {
    let nowhere = Path::new("/project");
    let key = ("LIBSQL_ADMIN_AUTH_KEY".to_owned(), "sample".to_owned());
    Blueprint::new(nowhere, &BTreeMap::from([key])).standing(variants).unwrap()
}

#[test]
fn what_docker_is_asked_for() {
    for variants in [Variants::DEFAULT, Variants { namespaced: true, tls: true }] {
        let plan = plan(variants);
        let bodies: Vec<_> = plan
            .services
            .iter()
            .map(|service| spec::container(&plan, service, "sha256:1d", "d1").unwrap())
            .map(|body| serde_json::to_value(body).unwrap())
            .collect();
        let mut settings = insta::Settings::clone_current();
        settings.set_sort_maps(true);
        settings.bind(|| {
            insta::assert_json_snapshot!(format!("containers {}", variants.label()), bodies);
        });
    }
}

#[test]
fn a_restart_policy_that_docker_does_not_know_is_refused() {
    let mut plan = plan(Variants::DEFAULT);
    plan.services[0].restart = Some("sometimes".to_owned());
    let error = spec::container(&plan, &plan.services[0], "i", "d").unwrap_err();
    assert!(error.to_string().contains("`sometimes`"), "{error}");
}

#[test]
fn a_port_that_docker_cannot_bind_is_in_use() {
    let refused = |message: &str| {
        let message = message.to_owned();
        let status_code = 500;
        let error = bollard::errors::Error::DockerResponseServerError { status_code, message };
        start_failure("primary", &error)
    };
    for message in [
        "driver failed: Bind for 127.0.0.1:18080 failed: port is already allocated",
        "listen tcp4 127.0.0.1:18080: bind: address already in use",
    ] {
        let error = refused(message);
        let found = find(&error);
        let Some(engine::Error::PortInUse(PortInUse::Docker { .. })) = found else {
            panic!("{error:?}");
        };
        assert_eq!(format!("{error:#}"), format!("Docker cannot start primary: {message}"));
    }
    assert!(matches!(find(&refused("no such image")), Some(Error::Refused { .. })));
    assert!(matches!(find(&refused("no space left on device")), Some(Error::DiskFull { .. })));
}
