//! The plan and its native translation, as values.

use std::collections::BTreeMap;
use std::path::Path;

use super::blueprint::{Blueprint, Variants};
use super::{Error, Interface, Role, StackPlan, native};
use demo_base::error::{Result, find};
use demo_compose::{SourceFile, Sources, load};

fn standing(variants: Variants) -> StackPlan {
    let key = ("LIBSQL_ADMIN_AUTH_KEY".to_owned(), "sample".to_owned());
    let variables = BTreeMap::from([key]);
    Blueprint::new(Path::new("/project"), &variables).standing(variants).unwrap()
}

#[test]
fn no_stack_has_a_public_admin_key() {
    let nothing = BTreeMap::new();
    let error = Blueprint::new(Path::new("/project"), &nothing).standing(Variants::DEFAULT);
    let error = format!("{:#}", error.unwrap_err());
    assert!(error.contains("LIBSQL_ADMIN_AUTH_KEY") && error.contains("demo setup"), "{error}");
}

fn build(text: &str) -> Result<StackPlan> {
    let project = load(&Sources {
        files: vec![SourceFile { path: "/p/docker-compose.yml".into(), text: text.to_owned() }],
        project_dir: "/p".into(),
        environment: BTreeMap::new(),
        project_name: Some("p".to_owned()),
    })?;
    StackPlan::build(&project, "/p".into(), Vec::new())
}

fn translate(service: &str) -> Result<Vec<native::ProcessPlan>> {
    Ok(native::translate(&build(&format!("services:\n  s:\n    image: x\n{service}"))?)?)
}

#[test]
fn roles_addresses_and_order_come_from_the_files() {
    let plan = standing(Variants::DEFAULT);
    let names: Vec<&str> = plan.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(names, ["primary", "replica"]);
    let [primary, replica] = &plan.services[..] else { panic!() };
    assert_eq!((primary.role, replica.role), (Role::Primary, Role::Replica));
    let port = |interface| primary.endpoint(interface).map(|address| address.port());
    let ports = [Interface::Http, Interface::Grpc, Interface::Admin].map(port);
    assert_eq!(ports, [Some(18080), Some(18081), Some(18082)]);
    assert_eq!(replica.endpoint(Interface::Grpc), None);
    assert_eq!(replica.endpoint(Interface::Admin), None);
}

#[test]
fn other_ports_reach_every_place_that_names_one() {
    let plan = standing(Variants::TLS).with_ports(&[1, 2, 3, 4]);
    let processes = native::translate(&plan).unwrap();
    let words = processes[0].arguments.join(" ");
    for address in ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"] {
        assert!(words.contains(address), "{words}");
    }
    let words = processes[1].arguments.join(" ");
    assert!(words.contains("--http-listen-addr 127.0.0.1:4"), "{words}");
    assert!(words.contains("--primary-grpc-url https://127.0.0.1:2"), "{words}");
    assert_eq!(processes[1].environment["SQLD_PRIMARY_URL"], "https://127.0.0.1:2");
}

#[test]
fn the_replica_never_gets_the_admin_key() {
    for variants in [Variants::DEFAULT, Variants { namespaced: true, tls: true }] {
        let processes = native::translate(&standing(variants)).unwrap();
        assert!(processes[0].environment.contains_key("LIBSQL_ADMIN_AUTH_KEY"));
        assert!(!processes[1].environment.contains_key("LIBSQL_ADMIN_AUTH_KEY"));
    }
}

#[test]
fn no_printed_plan_has_a_secret() {
    let variables = BTreeMap::from([("LIBSQL_ADMIN_AUTH_KEY".to_owned(), "hush-hush".to_owned())]);
    let plan =
        Blueprint::new(Path::new("/project"), &variables).standing(Variants::DEFAULT).unwrap();
    let processes = native::translate(&plan).unwrap();
    let printed = serde_json::to_string(&(&plan, &processes)).unwrap();
    assert!(!printed.contains("hush-hush"), "{printed}");
    assert_eq!(plan.admin_key(), Some("hush-hush"));
}

#[test]
fn only_takes_what_the_service_needs() {
    let names = |only: &str| {
        let plan = standing(Variants::DEFAULT).only(only).unwrap();
        plan.services.into_iter().map(|service| service.name).collect::<Vec<_>>()
    };
    assert_eq!(names("primary"), ["primary"]);
    assert_eq!(names("replica"), ["primary", "replica"]);
    let error = standing(Variants::DEFAULT).only("third").unwrap_err();
    assert!(matches!(error, Error::NoService { services, .. } if services.len() == 2));
}

#[test]
fn what_needs_a_container_is_refused_by_name() {
    let sqld = "    command: [/bin/sqld, --admin-listen-addr, '0.0.0.0:8082']\n";
    let table = [
        ("    command: [sqld]\n", "must begin with /bin/sqld"),
        ("    entrypoint: [/x]\n    command: [/bin/sqld]\n", "`entrypoint` needs a container"),
        (sqld, "0.0.0.0:8082 is not published"),
        ("    command: [/bin/sqld, --db-path, /elsewhere]\n", "/elsewhere is not under a mount"),
    ];
    for (service, said) in table {
        let error = translate(service).unwrap_err();
        assert!(matches!(find(&error), Some(Error::NeedsContainer { .. })), "{error:?}");
        let error = error.to_string();
        assert!(error.starts_with("service `s`:") && error.contains(said), "{error}");
    }
}

#[test]
fn what_no_engine_honours_is_refused_by_name_and_key() {
    let table = [
        ("    ports: ['8080:8080']\n", "`ports`: 8080 would be open to the network"),
        ("    ports: ['127.0.0.1:53:53/udp']\n", "`ports`: the server speaks TCP only"),
        ("    environment: {SQLD_NODE: Primary}\n", "`environment.SQLD_NODE`: `Primary`"),
        ("    volumes: ['/anonymous']\n", "`volumes`: /anonymous is not a host folder"),
    ];
    for (service, said) in table {
        let error = translate(service).unwrap_err().to_string();
        assert!(error.contains("service `s`") && error.contains(said), "{error}");
    }
}

#[test]
fn equal_plans_have_equal_digests_and_a_secret_counts() {
    let digest = |key: &str| {
        let variables = BTreeMap::from([("LIBSQL_ADMIN_AUTH_KEY".to_owned(), key.to_owned())]);
        let plan = Blueprint::new(Path::new("/p"), &variables).standing(Variants::DEFAULT).unwrap();
        plan.services[0].digest()
    };
    assert_eq!(digest("a"), digest("a"));
    assert_ne!(digest("a"), digest("b"));
}
