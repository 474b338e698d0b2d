//! The basis of every test: its own project, and `demo` run in it.
//!
//! ```ignore
//! let project = Project::new();
//! project.demo(["count"]).env("DEMO_TOKEN", token).says("cannot connect").fails(3);
//! ```

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so by a panic")]
#![expect(clippy::new_without_default, reason = "a project takes ports and a folder")]

pub mod background;
pub mod invocation;
pub mod issuer;
mod port_block;
pub mod processes;
pub mod project;
mod server;
pub mod target;
pub mod wait;

pub use background::Background;
pub use invocation::{Demo, Said};
pub use project::Project;
pub use wait::{until, until_some};

/// Runs another program than `demo` to its end: openssl, node, sh.
pub fn tool(program: &str, args: &[&str], folder: &std::path::Path) -> assert_cmd::assert::Assert {
    let mut command = assert_cmd::Command::new(program);
    command.args(args).current_dir(folder).timeout(invocation::DEADLINE).assert()
}

/// The output of a tool, which must succeed.
pub fn tool_stdout(program: &str, args: &[&str], folder: &std::path::Path) -> String {
    let assert = tool(program, args, folder).success();
    String::from_utf8(assert.get_output().stdout.clone()).unwrap()
}

/// The shared server binary.
pub fn server_binary() -> std::path::PathBuf {
    let binary = server::bin_dir().join(format!("sqld-{}", demo_sqld_dist::pins::VERSION));
    assert!(binary.is_file());
    binary
}
