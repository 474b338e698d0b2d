//! A project folder for one test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use demo_stack::assets;
use tempfile::TempDir;

use super::port_block::PortBlock;
use super::{Demo, server, target};

const PORTS: [&str; 4] =
    ["PRIMARY_HTTP_PORT", "PRIMARY_GRPC_PORT", "PRIMARY_ADMIN_PORT", "REPLICA_HTTP_PORT"];

/// The compose files, free ports and the server binary. Servers that a test leaves running are
/// stopped when it is dropped.
pub struct Project {
    folder: TempDir,
    ports: PortBlock,
}

impl Project {
    /// A project with the server binary.
    pub fn new() -> Self {
        let project = Self::without_server();
        server::link_into(&project.local("bin"));
        project
    }

    /// A project for tests that need no server.
    pub fn without_server() -> Self {
        let root = target::scratch();
        let folder = tempfile::Builder::new().prefix("project-").tempdir_in(root).unwrap();
        let project = Self { folder, ports: PortBlock::take() };
        for asset in assets::ALL {
            project.write(asset.name, asset.text);
        }
        project
    }

    /// A project with the server binary, after `demo setup` and `demo up`.
    pub fn up(variants: &[&str]) -> Self {
        let project = Self::new();
        let variants = variants.iter().flat_map(|variant| ["--variant", variant]);
        project.demo(["up"]).args(variants).success();
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// A path under `.local`.
    pub fn local(&self, name: &str) -> PathBuf {
        self.path().join(".local").join(name)
    }

    /// The ports of the primary's HTTP, gRPC and Admin API, and of the replica's HTTP API.
    pub fn ports(&self) -> [u16; 4] {
        self.ports.ports
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.join(name)).unwrap()
    }

    /// Replaces every occurrence of `from`, which must exist, in a file.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has `{from}`");
        self.write(name, text.replace(from, to));
    }

    /// `demo` in this project.
    pub fn demo<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Demo {
        Demo::new(self.command(args))
    }

    /// The same command, to be started by the caller.
    pub fn command<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(target::demo());
        self.furnish(&mut command);
        command.args(args);
        command
    }

    /// Sets the folder and the environment of this project for any command.
    pub fn furnish(&self, command: &mut Command) {
        command.current_dir(self.path());
        for name in variables().chain(["NO_COLOR", "CLICOLOR_FORCE"]) {
            command.env_remove(name);
        }
        for (name, port) in PORTS.into_iter().zip(self.ports()) {
            command.env(name, port.to_string());
        }
    }

    /// Snapshot settings that replace what differs between runs.
    pub fn snapshots(&self) -> insta::Settings {
        let mut settings = insta::Settings::clone_current();
        settings.set_omit_expression(true);
        settings.add_filter(&self.path().display().to_string(), "[PROJECT]");
        for (name, port) in PORTS.into_iter().zip(self.ports()) {
            settings.add_filter(&format!(r"\b{port}\b"), format!("[{name}]"));
        }
        settings
    }
}

/// The names of all variables that `demo` reads, all of which are in `.env.example`.
fn variables() -> impl Iterator<Item = &'static str> {
    let lines = assets::ENV_EXAMPLE.text.lines();
    let names = lines.filter_map(|line| Some(line.trim_start_matches('#').split_once('=')?.0));
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_'))
}

impl Drop for Project {
    fn drop(&mut self) {
        if !self.local("run").exists() {
            return;
        }
        let mut command = assert_cmd::Command::from_std(self.command(["cleanup"]));
        let outcome = command.timeout(super::invocation::DEADLINE).output();
        let clean = outcome.as_ref().is_ok_and(|output| output.status.success());
        assert!(clean || std::thread::panicking(), "{outcome:?}");
    }
}
