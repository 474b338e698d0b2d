//! A project whose stack is containers of its own name.

use std::ops::Deref;

use demo_test_support::{Demo, Project};

/// A project for the docker engine.
pub struct Site {
    project: Project,
    /// The compose project's name.
    pub name: String,
}

/// The server image that the daemon has.
pub fn image() -> String {
    std::env::var_os("DEMO_TEST_IMAGE")
        .and_then(|image| image.into_string().ok())
        .expect("DEMO_TEST_IMAGE names a server image; run scripts/test-docker.sh")
}

impl Site {
    pub fn new() -> Self {
        let project = Project::without_server();
        // The folder's name is this test's own, so the project's is too.
        let folder = project.path().file_name().unwrap().to_str().unwrap();
        let name = format!("demo-test-{}", folder.to_lowercase().replace('.', ""));
        project.edit("docker-compose.yml", "name: libsql-demo", &format!("name: {name}"));
        let lines = format!("LIBSQL_IMAGE={}\nDEMO_ENGINE=docker\n", image());
        project.write(".env", lines);
        Self { project, name }
    }

    pub fn up() -> Self {
        let site = Self::new();
        site.demo(["up"]).success();
        site
    }

    /// `docker ARGS` in the project's folder: what it prints.
    pub fn docker(&self, args: &[&str]) -> String {
        let mut command = std::process::Command::new("docker");
        self.project.furnish(&mut command);
        // Compose itself knows nothing of the file.
        if let Ok(key) = std::fs::read_to_string(self.project.local("admin/admin.key")) {
            command.env("LIBSQL_ADMIN_AUTH_KEY", key.trim());
        }
        let output = command.args(args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "docker {args:?}: {said}{text}");
        text.trim().to_owned()
    }

    /// Names of all containers, running or not, that contain `part`.
    pub fn containers(&self, part: &str) -> Vec<String> {
        let text = self.docker(&["ps", "-a", "--format", "{{.Names}}"]);
        text.lines().filter(|name| name.contains(part)).map(str::to_owned).collect()
    }

    /// Names of all networks that contain `part`.
    pub fn networks(&self, part: &str) -> Vec<String> {
        let text = self.docker(&["network", "ls", "--format", "{{.Name}}"]);
        text.lines().filter(|name| name.contains(part)).map(str::to_owned).collect()
    }

    /// Nothing of this site's standing stack is left at the daemon.
    pub fn is_gone(&self) {
        assert_eq!(self.containers(&self.name), [""; 0], "containers");
        assert_eq!(self.networks(&self.name), [""; 0], "networks");
    }

    /// Runs the server's image as `name` in the background, asleep.
    pub fn sleeper(&self, name: &str, extra: &[&str]) -> Sleeper<'_> {
        let image = image();
        let mut args = vec!["run", "-d", "--name", name, "--entrypoint", "/bin/sleep"];
        args.extend(extra);
        args.extend([image.as_str(), "600"]);
        self.docker(&args);
        Sleeper { site: self, name: name.to_owned() }
    }

    pub fn demo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Demo {
        self.project.demo(args)
    }
}

impl Deref for Site {
    type Target = Project;

    fn deref(&self) -> &Project {
        &self.project
    }
}

/// Somebody else's container.
pub struct Sleeper<'a> {
    site: &'a Site,
    pub name: String,
}

impl Sleeper<'_> {
    pub fn runs(&self) -> bool {
        self.site.docker(&["inspect", "-f", "{{.State.Running}}", &self.name]) == "true"
    }
}

impl Drop for Sleeper<'_> {
    fn drop(&mut self) {
        let _gone = std::process::Command::new("docker").args(["rm", "-f", &self.name]).output();
    }
}
