//! A headless Chromium with a driver, a profile and a port of its own; it ends with the
//! test.

use std::fs;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use futures::FutureExt;
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;

use demo_test_support::until;

/// For all that is done on one page.
const DEADLINE: Duration = Duration::from_secs(60);

/// The driver, and what it has started.
struct Driver {
    child: Child,
    port: u16,
    profile: TempDir,
}

impl Driver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let root = demo_test_support::target::scratch();
        let profile = tempfile::Builder::new().prefix("chromium-").tempdir_in(root).unwrap();
        let spawned = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = spawned.unwrap_or_else(|error| {
            panic!(
                "chromedriver cannot be started ({error}); Debian has it in the packages \
                 chromium and chromium-driver; elsewhere take the one of your Chrome's version"
            )
        });
        let mut driver = Self { child, port, profile };
        until("chromedriver listens", || {
            assert!(driver.child.try_wait().unwrap().is_none(), "chromedriver has ended");
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        driver
    }

    /// Every process that names the profile on its command line: nobody else's does.
    fn browsers(&self) -> Vec<Pid> {
        let needle = self.profile.path().to_str().unwrap().as_bytes();
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let ours = pids.filter(|pid: &i32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.windows(needle.len()).any(|part| part == needle)
        });
        ours.filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        for pid in self.browsers() {
            let _gone = kill_process(pid, Signal::KILL);
        }
    }
}

/// Opens `page` in a window `width` pixels wide and does `look` there.
pub fn on_page(page: &Path, width: u32, look: impl AsyncFnOnce(&Client)) {
    let driver = Driver::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        let client = session(&driver, width).await;
        let url = format!("file://{}", page.display());
        let seen = async {
            client.goto(&url).await.unwrap();
            look(&client).await;
        };
        let seen = tokio::time::timeout(DEADLINE, AssertUnwindSafe(seen).catch_unwind()).await;
        // Whatever was seen, first the browser goes.
        let closed = tokio::time::timeout(DEADLINE, client.close()).await;
        (seen, closed)
    });
    match outcome {
        (Ok(Ok(())), closed) => closed.expect("the browser closes in time").unwrap(),
        (Ok(Err(panic)), _) => std::panic::resume_unwind(panic),
        (Err(_elapsed), _) => panic!("not done on the page after {} s", DEADLINE.as_secs()),
    }
    until("the browser has ended", || driver.browsers().is_empty());
}

async fn session(driver: &Driver, width: u32) -> Client {
    let arguments = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
    arguments.push(format!("--user-data-dir={}", driver.profile.path().display()));
    // A window cannot be as narrow as a phone; its screen can.
    let metrics = json!({ "width": width, "height": 844, "pixelRatio": 1.0, "touch": false });
    let options = json!({
        "goog:chromeOptions": {
            "args": arguments,
            "mobileEmulation": { "deviceMetrics": metrics },
        }
    });
    let mut builder = ClientBuilder::new(HttpConnector::new());
    builder.capabilities(options.as_object().unwrap().clone());
    let url = format!("http://127.0.0.1:{}", driver.port);
    let connected = tokio::time::timeout(DEADLINE, builder.connect(&url)).await;
    connected.expect("Chromium starts in time").unwrap()
}
