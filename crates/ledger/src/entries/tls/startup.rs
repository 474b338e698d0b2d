//! Servers with TLS that do not start.

use std::path::Path;

use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::certificates;
use crate::{Area, Ended, Engines, Observation, Probe, ProbeContext, Verdict};
use demo_base::error::Result;
use demo_base::files::{MODE_SECRET, write_atomic};
use demo_stack::credentials::certs::CertificateSet;

const NEEDS_BINARY: &str = "it reads the exit code of the server binary itself";

pub(in crate::entries) const PROBES: &[Probe] = &[
    Probe {
        id: "tls-sec1-key",
        claim: "The primary reads an EC key in the form that openssl writes",
        source: "assumption; USER_GUIDE, TLS configuration names no format",
        area: Area::Replication,
        why: "The error message does not point to the key",
        mitigation: "Convert it: openssl pkcs8 -topk8 -nodes -in old.pem -out server_key.pem",
        how: "Runs the server with the same key as \"BEGIN EC PRIVATE KEY\"",
        engines: Engines::NativeOnly(NEEDS_BINARY),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            write_set(folder.path())?;
            let key = certificates::sec1_key()?;
            write_atomic(&folder.path().join("server_key.pem"), key.as_bytes(), MODE_SECRET)?;
            let ended = serve(context, folder.path(), &[CERTIFICATE, AUTHORITY]).await?;
            let panicked = ended.text.contains("panicked");
            let how = if panicked { "by a panic" } else { "without a panic" };
            let (verdict, finding) = match ended.code {
                None => (Verdict::AsDocumented, "the primary takes a key in SEC1 form".to_owned()),
                Some(code) => (
                    Verdict::Undocumented,
                    format!(
                        "with a key in SEC1 form the primary ends with exit code {code}, {how}"
                    ),
                ),
            };
            Ok(Observation::new(verdict, finding).saw("the server's output", telling(&ended)))
        }),
    },
    Probe {
        id: "tls-missing-file",
        claim: "The error names a missing certificate file",
        source: "assumption",
        area: Area::Operations,
        why: "With six files mounted into two containers, the name is needed to find the missing \
              one",
        mitigation: "Check paths before the start: `demo up` refuses a file that is not there",
        how: "Runs the server with a --grpc-cert-file that does not exist and reads its output",
        engines: Engines::NativeOnly(NEEDS_BINARY),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            write_set(folder.path())?;
            let ended =
                serve(context, folder.path(), &["--grpc-cert-file=absent.pem", AUTHORITY]).await?;
            let named = ended.text.contains("absent.pem");
            let seen = match ended.code {
                None => Observation::new(
                    Verdict::Weakness,
                    "the primary starts without the certificate",
                ),
                Some(code) => Observation::new(
                    if named { Verdict::AsDocumented } else { Verdict::Undocumented },
                    format!(
                        "without a certificate file the primary ends with exit code {code} and {}",
                        if named { "names the file" } else { "does not name the file" }
                    ),
                ),
            };
            Ok(seen.saw("the server's output", telling(&ended)))
        }),
    },
    Probe {
        id: "tls-one-way",
        claim: "--grpc-tls works without certificates for the replicas",
        source: "assumption; `sqld --help` explains none of the flags",
        area: Area::Replication,
        why: "Mutual TLS is the only TLS between nodes, so every replica needs a certificate",
        mitigation: "Make a CA and certificates for both sides; `demo certs generate` does",
        how: "Runs the server with --grpc-tls, certificate and key but without a CA",
        engines: Engines::NativeOnly(NEEDS_BINARY),
        check: &Probe::check(async |context| {
            let folder = context.scratch()?;
            write_set(folder.path())?;
            let ended = serve(context, folder.path(), &[CERTIFICATE]).await?;
            let seen = match ended.code {
                None => Observation::new(Verdict::AsDocumented, "the primary starts without a CA"),
                Some(code) => Observation::new(
                    Verdict::Undocumented,
                    format!("TLS without a CA for the replicas is refused with exit code {code}"),
                ),
            };
            Ok(seen.saw("the server's output", telling(&ended)))
        }),
    },
];

/// Port 0 is any free one: nothing is ever to connect there.
const LISTEN: [&str; 6] = [
    "--no-welcome",
    "--http-listen-addr=127.0.0.1:0",
    "--grpc-listen-addr=127.0.0.1:0",
    "--db-path=data",
    "--grpc-tls",
    "--grpc-key-file=server_key.pem",
];
const CERTIFICATE: &str = "--grpc-cert-file=server_cert.pem";
const AUTHORITY: &str = "--grpc-ca-cert-file=ca_cert.pem";

/// Good certificates in `folder`.
fn write_set(folder: &Path) -> Result<()> {
    let set = CertificateSet::generate(Timestamp::now())?;
    for (name, text) in [
        ("ca_cert.pem", set.ca_cert.as_str()),
        ("server_cert.pem", &set.server_cert),
        ("server_key.pem", set.server_key.expose_secret()),
    ] {
        write_atomic(&folder.join(name), text.as_bytes(), MODE_SECRET)?;
    }
    Ok(())
}

async fn serve(context: &ProbeContext<'_>, folder: &Path, more: &[&str]) -> Result<Ended> {
    let arguments: Vec<&str> = LISTEN.iter().chain(more).copied().collect();
    context.run_binary(folder, &arguments, &[("RUST_BACKTRACE", "0")]).await
}

/// The first lines that speak of a fault.
fn telling(ended: &Ended) -> String {
    let words = ["panicked", "rror", "index out", "No such file", "required"];
    let lines = ended.text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
    lines.take(3).collect::<Vec<_>>().join(" / ")
}
