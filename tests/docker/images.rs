//! Images: pinned, of the right platform, pulled by digest.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::site::{Site, image};
use demo_test_support::until;

#[test]
fn a_tag_without_a_digest_is_never_pulled() {
    let site = Site::new();
    let said = site.demo(["up"]).env("LIBSQL_IMAGE", "debian:latest").fails(2);
    assert!(said.stderr.contains("a tag without a digest is never pulled"), "{said:?}");
    said.hint("demo image build");
}

#[test]
fn an_image_that_is_nowhere() {
    let site = Site::new();
    let nowhere = format!("127.0.0.1:1/sqld@sha256:{}", "5".repeat(64));
    let said = site.demo(["up"]).env("LIBSQL_IMAGE", nowhere).fails(3);
    assert!(said.stderr.contains("cannot be pulled"), "{said:?}");
    said.hint("demo image build");
    site.is_gone();
}

#[test]
fn an_image_of_another_platform() {
    let site = Site::new();
    let said = site.demo(["up"]).env("LIBSQL_PLATFORM", "linux/riscv64").fails(2);
    assert!(said.stderr.contains("not for linux/riscv64"), "{said:?}");
    said.hint("LIBSQL_PLATFORM=linux/");
}

#[test]
fn a_base_of_another_platform() {
    let site = Site::new();
    let args = ["image", "build", "--platform", "linux-arm64", "--base"];
    let said = site.demo(args).args([image()]).fails(2);
    assert!(said.stderr.contains("not for linux/arm64"), "{said:?}");
    said.hint("base image for linux/arm64");
}

/// Debian's `docker-registry`, for one test.
struct Registry {
    server: Child,
    port: u16,
}

impl Registry {
    fn start(folder: PathBuf) -> Self {
        let port = {
            let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
            free.local_addr().unwrap().port()
        };
        let config = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            folder.join("registry").display()
        );
        std::fs::write(&config, text).unwrap();
        let server = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("docker-registry is installed; run scripts/test-docker.sh");
        until("the registry answers", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { server, port }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _gone = self.server.kill();
        let _gone = self.server.wait();
    }
}

#[test]
fn an_image_is_pulled_by_its_digest() {
    let site = Site::new();
    let registry = Registry::start(site.path().to_path_buf());
    let tag = format!("127.0.0.1:{}/sqld:pinned", registry.port);
    site.docker(&["tag", &image(), &tag]);
    let pushed = site.docker(&["push", &tag]);
    let digest = pushed
        .split_whitespace()
        .find(|word| word.starts_with("sha256:"))
        .unwrap_or_else(|| panic!("{pushed}"));
    let reference = format!("127.0.0.1:{}/sqld@{digest}", registry.port);
    site.docker(&["rmi", &tag]);
    let there = || site.docker(&["images", "--digests", "--format", "{{.Repository}}@{{.Digest}}"]);
    assert!(!there().contains(&reference));
    site.demo(["up"]).env("LIBSQL_IMAGE", &reference).success();
    assert!(there().contains(&reference));
    let primary = format!("{}-primary-1", site.name);
    let used = site.docker(&["inspect", "-f", "{{.Config.Image}}", &primary]);
    assert_eq!(used, reference);
    site.demo(["down"]).success();
    site.docker(&["rmi", &reference]);
}
