//! Fetches a release archive from a URL.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use reqwest::{Client, Response, StatusCode, Url};

use super::OTHER_SOURCE;
use demo_base::error::{Fault, Result};
use demo_base::progress::Progress;

/// The limits of a download.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The time to establish the connection.
    pub(super) connect: Duration,
    /// The time without receiving a byte.
    pub(super) idle: Duration,
    /// The size in bytes.
    pub(super) size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            size: super::ARCHIVE_BYTES,
        }
    }
}

/// Writes the content of `url` to the file `target`. Plain http is as safe as https here, because
/// the digest of the binary is verified.
///
/// # Errors
/// Exit 3 when the server cannot be reached or the connection breaks, exit 4 when it refuses (401,
/// 403), exit 5 when it has no such file, exit 1 when the file is larger than `limits` allow.
pub(super) async fn fetch(
    url: Url,
    target: &Path,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<()> {
    let described = described(&url);
    progress.phase(&format!("downloading {described}"));
    let mut builder = Client::builder().connect_timeout(limits.connect).read_timeout(limits.idle);
    if is_loopback(&url) {
        // A proxy would connect to its own loopback.
        builder = builder.no_proxy();
    }
    let client = builder.build().context("cannot set up the HTTP client")?;
    let response = client.get(url).send().await.map_err(|error| {
        // Its text would repeat the URL, which may contain a password.
        Fault::unreachable(format!("cannot download {described}"))
            .because(error.without_url())
            .hint(format!("check the address and the network; {OTHER_SOURCE}"))
    })?;
    accept(response.status(), &described)?;
    save(response, target, limits.size, &described, progress).await
}

/// The address without credentials and query, which may be secret.
pub(super) fn described(url: &Url) -> String {
    let mut plain = url.clone();
    plain.set_query(None);
    plain.set_fragment(None);
    // Both fail only for URLs that cannot have these parts.
    let _absent = plain.set_username("");
    let _absent = plain.set_password(None);
    plain.to_string()
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn accept(status: StatusCode, described: &str) -> Result<()> {
    let fault = match status {
        StatusCode::NOT_FOUND | StatusCode::GONE => {
            Fault::not_found(format!("there is no {described} ({status})"))
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Fault::rejected(format!("access to {described} was refused ({status})"))
        }
        StatusCode::OK => return Ok(()),
        _ => Fault::unreachable(format!("{described} was answered with {status}")),
    };
    Err(fault.hint(format!("check the address; {OTHER_SOURCE}")).into())
}

async fn save(
    mut response: Response,
    target: &Path,
    size: u64,
    described: &str,
    progress: &dyn Progress,
) -> Result<()> {
    let unwritable = |error| {
        Fault::input(format!("cannot write {}", target.display()))
            .because(error)
            .hint("free some disk space, and make the folder writable")
    };
    let total = response.content_length();
    let mut done = 0_u64;
    // Blocking writes are fine: they go to the page cache, and nothing else runs here.
    let mut file = File::create(target).map_err(unwritable)?;
    loop {
        if done.max(total.unwrap_or_default()) > size {
            return Err(Fault::failed(format!(
                "{described} is larger than {} MB: refused",
                size >> 20
            ))
            .hint(OTHER_SOURCE)
            .into());
        }
        let chunk = response.chunk().await.map_err(|error| {
            Fault::unreachable(format!("the download of {described} ended after {done} bytes"))
                .because(error.without_url())
                .hint(format!("try again; {OTHER_SOURCE}"))
        })?;
        let Some(chunk) = chunk else { return Ok(()) };
        file.write_all(&chunk).map_err(unwritable)?;
        done += chunk.len() as u64;
        progress.bytes(done, total);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::install::testing::{Silent, serve};
    use demo_base::error::Diagnosis;
    use demo_base::exit_code::ExitCode;

    /// Asks a server that sends these bytes, and then closes the connection or stays silent.
    async fn answered(answer: &str, hang_up: bool) -> Result<String, Diagnosis> {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("archive");
        let url = serve(answer.as_bytes().to_vec(), hang_up).await;
        let limits = Limits {
            connect: Duration::from_secs(5),
            idle: Duration::from_millis(if hang_up { 5000 } else { 50 }),
            size: 16,
        };
        let url = Url::parse(&format!("{url}/a.tgz?key=secret")).unwrap();
        match fetch(url, &target, limits, &Silent).await {
            Ok(()) => Ok(fs::read_to_string(&target).unwrap()),
            Err(error) => Err(Diagnosis::of(&error)),
        }
    }

    #[tokio::test]
    async fn a_whole_file_arrives() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfile";
        assert_eq!(answered(answer, true).await.unwrap(), "file");
    }

    #[tokio::test]
    async fn an_absent_file_is_not_found() {
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let diagnosis = answered(answer, true).await.unwrap_err();
        assert_eq!(diagnosis.code, ExitCode::NotFound);
        assert!(!diagnosis.message.contains("secret"), "{}", diagnosis.message);
        let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answered(refused, true).await.unwrap_err().code, ExitCode::Rejected);
        let broken = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(answered(broken, true).await.unwrap_err().code, ExitCode::Unreachable);
    }

    #[tokio::test]
    async fn a_body_cut_short_or_stuck_is_no_file() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfile";
        for hang_up in [true, false] {
            let diagnosis = answered(answer, hang_up).await.unwrap_err();
            assert_eq!(diagnosis.code, ExitCode::Unreachable);
            assert!(diagnosis.message.ends_with("ended after 4 bytes"), "{diagnosis:?}");
        }
    }

    #[tokio::test]
    async fn a_file_too_large_is_refused_announced_or_not() {
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n";
        let unannounced = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdefg";
        for answer in [announced, unannounced] {
            let diagnosis = answered(answer, true).await.unwrap_err();
            assert_eq!(diagnosis.code, ExitCode::Failed, "{diagnosis:?}");
            assert!(diagnosis.message.contains("larger than"));
        }
    }

    #[tokio::test]
    async fn nobody_there_is_unreachable_and_no_password_is_told() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let folder = tempfile::tempdir().unwrap();
        let url = Url::parse(&format!("http://me:word@127.0.0.1:{port}/a.tgz")).unwrap();
        let failure = fetch(url, &folder.path().join("a"), Limits::default(), &Silent).await;
        let diagnosis = Diagnosis::of(&failure.unwrap_err());
        assert_eq!(diagnosis.code, ExitCode::Unreachable);
        assert!(!format!("{diagnosis:?}").contains("word"), "{diagnosis:?}");
    }
}
