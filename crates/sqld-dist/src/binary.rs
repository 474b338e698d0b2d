//! Finds the server binary to use, and checks whether it is the pinned one.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::pins::{self, BUILD, Installation, Platform, VERSION};
use crate::Error;
use demo_base::error::{Cause, Result};
use demo_base::files;

/// How long another binary may take to print its version.
const VERSION_DEADLINE: Duration = Duration::from_secs(5);
/// The most that is read of its output, in bytes.
const VERSION_TEXT: u64 = 4096;

/// A server binary that may be started.
#[derive(Clone, Debug)]
pub struct ServerBinary {
    /// An absolute path.
    pub path: PathBuf,
    /// Such as `0.24.32`.
    pub version: String,
    pub source: Source,
    /// A note for the user: the version or build is not the pinned one.
    pub note: Option<String>,
}

/// The origin of a binary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// `DEMO_SQLD_BIN`.
    Variable,
    /// The folder that `demo sqld install` uses.
    Installed,
    /// `PATH`.
    SearchPath,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Variable => "DEMO_SQLD_BIN",
            Self::Installed => "demo sqld install",
            Self::SearchPath => "PATH",
        })
    }
}

/// Where to search.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    /// The value of `DEMO_SQLD_BIN`.
    pub variable: Option<&'a Path>,
    /// The folder that `demo sqld install` uses.
    pub bin_dir: &'a Path,
    /// The value of `PATH`.
    pub search_path: Option<&'a OsStr>,
}

/// The binary that would be used: that of `DEMO_SQLD_BIN`, else the installed one, else a `sqld` of
/// the pinned version on `PATH`; `None` if there is none.
///
/// # Errors
/// [`Error::Variable`] when `DEMO_SQLD_BIN` is not a server binary, [`Error::Installed`] when the
/// installed one does not have the pinned digest.
pub async fn locate(search: &Search<'_>) -> Result<Option<ServerBinary>> {
    if let Some(path) = search.variable {
        return Ok(Some(from_variable(path).await?));
    }
    // A platform without a pinned build may have a server on its search path.
    if let Ok(platform) = Platform::current() {
        let path = absolute(&installed_path(search.bin_dir, platform));
        match pins::inspect(path.clone(), pins::pin(platform).sha256).await? {
            Installation::Absent => {}
            Installation::Right => {
                return Ok(Some(ServerBinary {
                    path,
                    version: VERSION.to_owned(),
                    source: Source::Installed,
                    note: None,
                }));
            }
            Installation::Wrong(says) => return Err(Error::Installed { path, says }.into()),
        }
    }
    Ok(on_search_path(search.search_path).await)
}

/// Where `demo sqld install` puts the build for a platform.
pub fn installed_path(bin_dir: &Path, platform: Platform) -> PathBuf {
    let own = Platform::current().is_ok_and(|current| current == platform);
    let name = if own { format!("sqld-{VERSION}") } else { format!("sqld-{VERSION}-{platform}") };
    bin_dir.join(name)
}

async fn from_variable(path: &Path) -> Result<ServerBinary, Error> {
    // A bare file name would be looked up on the search path when it is started.
    let path = absolute(path);
    let refused =
        |says, source: Option<Cause>| Error::Variable { path: path.clone(), says, source };
    let metadata =
        fs::metadata(&path).map_err(|error| refused("cannot be used", Some(error.into())))?;
    if !files::is_program(&metadata) {
        return Err(refused("is not an executable file", None));
    }
    let said = ask_version(&path, VERSION_DEADLINE)
        .await
        .map_err(|error| refused("does not answer --version like a server", Some(error.into())))?;
    let note = said.difference().map(|difference| format!("DEMO_SQLD_BIN is {difference}"));
    Ok(ServerBinary { path, version: said.number, source: Source::Variable, note })
}

async fn on_search_path(search_path: Option<&OsStr>) -> Option<ServerBinary> {
    let path = find_program(search_path, "sqld")?;
    // Any other program of that name is ignored, and the pinned build is fetched.
    let said =
        ask_version(&path, VERSION_DEADLINE).await.ok().filter(|said| said.number == VERSION)?;
    let note = said.difference().map(|difference| format!("{} is {difference}", path.display()));
    Some(ServerBinary { path, version: said.number, source: Source::SearchPath, note })
}

/// The first executable file of that name on a search path.
///
/// Relative entries are skipped: they would run whatever is in the current folder.
pub(crate) fn find_program(search_path: Option<&OsStr>, name: &str) -> Option<PathBuf> {
    std::env::split_paths(search_path?)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|path| fs::metadata(path).is_ok_and(|metadata| files::is_program(&metadata)))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The output of `sqld --version`.
#[derive(Debug, Eq, PartialEq)]
struct Version {
    number: String,
    build: Option<String>,
}

impl Version {
    /// Reads `sqld sqld 0.24.32 (40c272de 2025-02-14)`.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.lines().next()?.split_whitespace();
        if words.next() != Some("sqld") {
            return None;
        }
        let number = words.find(|word| word.starts_with(|first: char| first.is_ascii_digit()))?;
        let build = words.next().and_then(|word| word.strip_prefix('('));
        Some(Self {
            number: number.to_owned(),
            build: build.map(|word| word.trim_end_matches(')').to_owned()),
        })
    }

    fn difference(&self) -> Option<String> {
        match &self.build {
            _ if self.number != VERSION => {
                Some(format!("sqld {}, not the pinned {VERSION}", self.number))
            }
            Some(build) if build != BUILD => {
                Some(format!("build {build} of sqld {VERSION}, not the pinned {BUILD}"))
            }
            _ => None,
        }
    }
}

async fn ask_version(path: &Path, deadline: Duration) -> Result<Version> {
    let mut child = Command::new(path)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot be started")?;
    if let Ok(answer) = tokio::time::timeout(deadline, hear(&mut child)).await {
        return answer;
    }
    child.kill().await.context("cannot be stopped")?;
    bail!("no answer within {deadline:?}")
}

async fn hear(child: &mut Child) -> Result<Version> {
    let stdout = beginning(child.stdout.take());
    let stderr = beginning(child.stderr.take());
    let (said, complaint) = tokio::try_join!(stdout, stderr)?;
    let status = child.wait().await?;
    if let Some(version) = Version::parse(&said).filter(|_| status.success()) {
        return Ok(version);
    }
    let line = complaint.lines().chain(said.lines()).find(|line| !line.trim().is_empty());
    match line {
        Some(line) => bail!("{status}: {line}"),
        None => bail!("{status}, without any output"),
    }
}

/// Bounded, for a program that prints without end; it gets a broken pipe.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(VERSION_TEXT).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::install::testing::program;

    fn search<'a>(variable: Option<&'a Path>, folder: &'a Path) -> Search<'a> {
        Search { variable, bin_dir: folder, search_path: Some(folder.as_os_str()) }
    }

    #[test]
    fn the_version_line_is_understood() {
        let pinned = Version::parse("sqld sqld 0.24.32 (40c272de 2025-02-14)\n").unwrap();
        assert_eq!((pinned.number.as_str(), pinned.difference()), (VERSION, None));
        let rebuilt = Version::parse("sqld sqld 0.24.32 (00000000 2026-01-01)").unwrap();
        assert!(rebuilt.difference().unwrap().contains("build 00000000"));
        for other in ["", "echo (GNU coreutils) 9.1", "sqld", "\nsqld 1.0"] {
            assert_eq!(Version::parse(other), None, "{other:?}");
        }
    }

    // Shell scripts stand for servers of other versions and for other programs, neither of which is
    // available to the tests.
    #[tokio::test]
    async fn the_variable_wins_and_another_version_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        program(&other, "echo 'sqld sqld 0.25.0 (0123abcd 2026-01-01)'");
        program(&folder.path().join("sqld"), "echo 'sqld sqld 0.24.32 (40c272de 2025-02-14)'");
        let found = locate(&search(Some(&other), folder.path())).await.unwrap().unwrap();
        assert_eq!((found.version.as_str(), found.source), ("0.25.0", Source::Variable));
        assert!(found.note.unwrap().contains("not the pinned 0.24.32"));

        let found = locate(&search(None, folder.path())).await.unwrap().unwrap();
        assert_eq!((found.source, found.note), (Source::SearchPath, None));
    }

    #[tokio::test]
    async fn a_variable_that_names_no_server_is_bad_input() {
        let folder = tempfile::tempdir().unwrap();
        let (mute, plain) = (folder.path().join("mute"), folder.path().join("plain"));
        program(&mute, "echo 'no such library' >&2; exit 127");
        fs::write(&plain, "text").unwrap();
        for path in [&mute, &plain, &folder.path().join("absent"), &folder.path().to_owned()] {
            let error = locate(&search(Some(path), folder.path())).await.unwrap_err();
            assert!(matches!(error.downcast_ref(), Some(Error::Variable { .. })), "{error:?}");
        }
        let error = ask_version(&mute, VERSION_DEADLINE).await.unwrap_err();
        assert!(error.to_string().contains("no such library"), "{error}");
    }

    #[tokio::test]
    async fn a_program_that_never_stops_talking_is_cut_short() {
        let folder = tempfile::tempdir().unwrap();
        let endless = folder.path().join("endless");
        program(&endless, "while echo nonsense; do :; done");
        assert!(ask_version(&endless, VERSION_DEADLINE).await.is_err());
    }

    #[tokio::test]
    async fn a_program_that_never_answers_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let silent = folder.path().join("silent");
        program(&silent, "exec tail -f /dev/null");
        let error = ask_version(&silent, Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("no answer within 50ms"), "{error}");
    }

    #[tokio::test]
    async fn another_version_on_the_search_path_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        program(&folder.path().join("sqld"), "echo 'sqld sqld 0.23.0 (0123abcd 2024-01-01)'");
        assert!(locate(&search(None, folder.path())).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_installed_binary_with_another_digest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let Ok(platform) = Platform::current() else {
            return;
        };
        program(&installed_path(folder.path(), platform), "exit 0");
        let error = locate(&search(None, folder.path())).await.unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Error::Installed { .. })), "{error:?}");
        assert!(error.to_string().contains("has digest sha256"), "{error}");
    }
}
