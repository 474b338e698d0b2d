//! A daemon of the test's own, on a small disk: full, then killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use crate::site::{Site, image};
use demo_test_support::{Background, until};

/// `dockerd` with all its files on a tmpfs.
struct Daemon {
    process: Child,
    folder: PathBuf,
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {args:?}: {said}");
}

impl Daemon {
    fn start(folder: &Path) -> Self {
        let folder = folder.to_path_buf();
        std::fs::create_dir_all(&folder).unwrap();
        let at = folder.to_str().unwrap();
        run("mount", &["-t", "tmpfs", "-o", "size=900m", "tmpfs", at]);
        let log = std::fs::File::create(folder.with_extension("log")).unwrap();
        // In a network of its own: without one it would take the bridge of the
        // machine's own daemon away.
        let process = Command::new("unshare")
            .args(["--net", "dockerd"])
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .arg("--host")
            .arg(host(&folder))
            .args(["--bridge=none", "--iptables=false"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Self { process, folder };
        until("the second daemon answers", || daemon.docker(&["info"]).status.success());
        daemon
    }

    fn docker(&self, args: &[&str]) -> std::process::Output {
        Command::new("docker").args(["--host", &host(&self.folder)]).args(args).output().unwrap()
    }

    fn load(&self, image: &str) {
        let mut save =
            Command::new("docker").args(["save", image]).stdout(Stdio::piped()).spawn().unwrap();
        let archive = save.stdout.take().unwrap();
        let loaded = Command::new("docker")
            .args(["--host", &host(&self.folder), "load"])
            .stdin(archive)
            .output()
            .unwrap();
        assert!(save.wait().unwrap().success() && loaded.status.success(), "{loaded:?}");
    }
}

fn host(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
        // Its containerd is a child of its own, and the mounts are the kernel's.
        let own = self.folder.join("exec").display().to_string();
        let _gone = Command::new("pkill").args(["-KILL", "-f", &own]).output();
        let _gone = Command::new("umount").arg("--recursive").arg(&self.folder).output();
        let _gone = Command::new("umount").arg("--lazy").arg(&self.folder).output();
    }
}

#[test]
fn a_full_disk_and_a_daemon_that_is_killed() {
    let site = Site::new();
    let daemon = Daemon::start(&site.join("daemon"));
    daemon.load(&image());
    let address = host(&daemon.folder);

    let fill = daemon.folder.join("fill");
    let mut writer = Command::new("dd")
        .args(["if=/dev/zero", "bs=1M", &format!("of={}", fill.display())])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!writer.wait().unwrap().success(), "dd ends when the disk is full");
    let said = site.demo(["up"]).env("DOCKER_HOST", &address).fails(1);
    assert!(said.stderr.contains("its disk is full"), "{said:?}");
    said.hint("docker system df");
    std::fs::remove_file(&fill).unwrap();
    let left = String::from_utf8(daemon.docker(&["ps", "-aq"]).stdout).unwrap();
    assert_eq!(left, "");

    let mut command = site.command(["up"]);
    command.env("DOCKER_HOST", &address);
    let mut up = Background::start(command);
    up.until_says("starting");
    let pid = rustix::process::Pid::from_child(&daemon.process);
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    up.until_says("error:");
    assert_eq!(up.end().code(), Some(3), "a daemon that has gone is nothing to talk to");
    // The record stays, for a daemon that comes back; with another one nothing runs.
    site.demo(["status"]).exits(3);
    site.demo(["down"]).success();
    assert!(!site.local("run/standing/state.json").exists());
}
