//! Fetches a release archive from a URL.

use std::fs::File;
use std::io::Write;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use reqwest::{Client, Response, StatusCode, Url};

use crate::Error;
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
/// [`Error::NoAnswer`] when the server cannot be reached, [`Error::CutShort`] when the connection
/// breaks, [`Error::NoAccess`] for 401 and 403, [`Error::NotThere`] for 404 and 410,
/// [`Error::NoFile`] for any other answer, and [`Error::Refused`] when the file is larger than
/// `limits` allow.
pub(super) async fn fetch(
    url: Url,
    target: &Path,
    limits: Limits,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let described = described(&url);
    progress.phase(&format!("downloading {described}"));
    let mut builder = Client::builder().connect_timeout(limits.connect).read_timeout(limits.idle);
    if is_loopback(&url) {
        // A proxy would connect to its own loopback.
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(Error::HttpClient)?;
    let response = client.get(url).send().await.map_err(|error| {
        // Its text would repeat the URL, which may contain a password.
        Error::NoAnswer { url: described.clone(), source: error.without_url() }
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

fn accept(status: StatusCode, described: &str) -> Result<(), Error> {
    let url = described.to_owned();
    match status {
        StatusCode::OK => Ok(()),
        StatusCode::NOT_FOUND | StatusCode::GONE => Err(Error::NotThere { url, status }),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(Error::NoAccess { url, status }),
        _ => Err(Error::NoFile { url, status }),
    }
}

async fn save(
    mut response: Response,
    target: &Path,
    size: u64,
    described: &str,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let unstored = |source| Error::Unstored { path: target.to_owned(), source };
    let total = response.content_length();
    let mut done = 0_u64;
    // Blocking writes are fine: they go to the page cache, and nothing else runs here.
    let mut file = File::create(target).map_err(unstored)?;
    loop {
        if done.max(total.unwrap_or_default()) > size {
            let says = format!("{described} is larger than {} MB: refused", size >> 20);
            return Err(Error::Refused { says });
        }
        let chunk = response.chunk().await.map_err(|error| Error::CutShort {
            url: described.to_owned(),
            bytes: done,
            source: error.without_url(),
        })?;
        let Some(chunk) = chunk else { return Ok(()) };
        file.write_all(&chunk).map_err(unstored)?;
        done += chunk.len() as u64;
        progress.bytes(done, total);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::install::testing::{Silent, serve};
    use demo_base::error::messages;

    /// Asks a server that sends these bytes, and then closes the connection or stays silent.
    async fn answered(answer: &str, hang_up: bool) -> Result<String, Error> {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("archive");
        let url = serve(answer.as_bytes().to_vec(), hang_up).await;
        let limits = Limits {
            connect: Duration::from_secs(5),
            idle: Duration::from_millis(if hang_up { 5000 } else { 50 }),
            size: 16,
        };
        let url = Url::parse(&format!("{url}/a.tgz?key=secret")).unwrap();
        fetch(url, &target, limits, &Silent).await?;
        Ok(fs::read_to_string(&target).unwrap())
    }

    #[tokio::test]
    async fn a_whole_file_arrives() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfile";
        assert_eq!(answered(answer, true).await.unwrap(), "file");
    }

    #[tokio::test]
    async fn an_absent_file_is_not_found() {
        let answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let error = answered(answer, true).await.unwrap_err();
        assert!(matches!(error, Error::NotThere { .. }), "{error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
        let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
        let error = answered(refused, true).await.unwrap_err();
        assert!(matches!(error, Error::NoAccess { .. }), "{error:?}");
        let broken = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        let error = answered(broken, true).await.unwrap_err();
        assert!(matches!(error, Error::NoFile { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn a_body_cut_short_or_stuck_is_no_file() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nfile";
        for hang_up in [true, false] {
            let error = answered(answer, hang_up).await.unwrap_err();
            assert!(matches!(error, Error::CutShort { bytes: 4, .. }), "{error:?}");
            assert!(error.to_string().ends_with("ended after 4 bytes"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_file_too_large_is_refused_announced_or_not() {
        let announced = "HTTP/1.1 200 OK\r\nContent-Length: 17\r\n\r\n";
        let unannounced = "HTTP/1.1 200 OK\r\n\r\n0123456789abcdefg";
        for answer in [announced, unannounced] {
            let error = answered(answer, true).await.unwrap_err();
            assert!(matches!(error, Error::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains("larger than"), "{error}");
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
        let error = failure.unwrap_err();
        assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
        let said = messages(&error.into());
        assert!(!said.concat().contains("word"), "{said:?}");
    }
}
