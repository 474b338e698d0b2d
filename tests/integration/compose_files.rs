//! The project's own compose files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use demo_compose::{Condition, SourceFile, Sources, load};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The project's own files, with the key that they do not have themselves.
fn own(files: &[&str]) -> Sources {
    let root = Path::new(ROOT);
    let read = |name: &&str| SourceFile {
        path: root.join(name),
        text: fs::read_to_string(root.join(name)).unwrap(),
    };
    let mut sources = Sources {
        files: files.iter().map(read).collect(),
        project_dir: root.to_owned(),
        environment: BTreeMap::new(),
        project_name: None,
    };
    sources.environment.insert("LIBSQL_ADMIN_AUTH_KEY".to_owned(), "key".to_owned());
    sources
}

#[test]
fn the_projects_own_files_load_in_every_combination() {
    let [base, namespaced, tls, both] = [
        "docker-compose.yml",
        "docker-compose.namespaced.yml",
        "docker-compose.tls.yml",
        "docker-compose.namespaced-tls.yml",
    ];
    for (files, has_namespaces, mounts) in [
        (&[base][..], false, 2),
        (&[base, namespaced], true, 2),
        (&[base, tls], false, 5),
        (&[base, namespaced, tls, both], true, 5),
    ] {
        let project = load(&own(files)).unwrap();
        assert_eq!(project.name, "libsql-demo");
        assert_eq!(project.start_order().unwrap(), ["primary", "replica"]);
        let primary = &project.services["primary"];
        let command = primary.command.as_ref().unwrap();
        assert_eq!(command.contains(&"--enable-namespaces".to_owned()), has_namespaces);
        assert_eq!(command.contains(&"--grpc-tls".to_owned()), mounts == 5);
        assert_eq!(primary.volumes.len(), mounts);
        assert_eq!(primary.ports[2].published, Some(18082));
        let test = primary.healthcheck.as_ref().unwrap().test[3].clone();
        assert!(test.contains("[[ $line == "), "{test}");
        let data = primary.volumes[0].source.as_deref().unwrap();
        assert_eq!(data, format!("{ROOT}/.local/data/primary"));
        let dependency = &project.services["replica"].depends_on["primary"];
        assert_eq!(dependency.condition, Condition::ServiceHealthy);
    }
}
