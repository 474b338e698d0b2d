//! Builds a local image around the pinned binary.
//!
//! Upstream has no arm64 image that can be pinned by digest (issue 899), and a machine that cannot
//! pull images needs one too.

use std::collections::HashMap;
use std::path::Path;

use bollard::body_full;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures::StreamExt;

use super::connect::{Daemon, failure};
use super::{Error, image};
use crate::assets;
use demo_base::error::Result;
use demo_base::files;
use demo_base::progress::Progress;
use demo_sqld_dist::pins::{Platform, VERSION};

/// What is to be built.
#[derive(Clone, Copy, Debug)]
pub struct Build<'a> {
    pub platform: Platform,
    /// The pinned binary of that platform.
    pub binary: &'a Path,
    /// An image with bash, chown, setpriv and CA certificates; it is present already or named by
    /// digest.
    pub base: &'a str,
}

/// Builds the image and returns its name and its id.
///
/// # Errors
/// [`Error::NoContainersOf`], [`Error::BasePlatform`]; [`Error::Refused`] or [`Error::Contradiction`]
/// when the build fails; as [`image::ensure`] for the base; [`demo_base::Error`] when the binary
/// cannot be read.
pub async fn build(
    daemon: &Daemon,
    build: &Build<'_>,
    progress: &dyn Progress,
) -> Result<(String, String)> {
    let docker = &daemon.docker;
    let platform = docker_platform(build.platform)?;
    if let Some(base) = image::find(docker, build.base).await? {
        let found = image::platform_of(&base);
        if found != platform {
            let base = build.base.to_owned();
            return Err(Error::BasePlatform { base, found, wanted: platform }.into());
        }
    }
    image::ensure(docker, build.base, Some(platform), progress).await?;
    let name = format!("libsql-demo/sqld:{VERSION}-{}", build.platform);
    progress.phase(&format!("building {name}"));
    let options = BuildImageOptionsBuilder::new()
        .dockerfile("Dockerfile")
        .t(&name)
        .platform(platform)
        .rm(true)
        .forcerm(true)
        .buildargs(&HashMap::from([("BASE", build.base)]))
        .build();
    let context = bytes::Bytes::from(context(build.binary)?);
    let mut steps = std::pin::pin!(docker.build_image(options, None, Some(body_full(context))));
    while let Some(step) = steps.next().await {
        let step = step.map_err(|error| failure(&format!("build {name}"), &error))?;
        if let Some(detail) = step.error_detail {
            let source = detail.message.unwrap_or_default().into();
            return Err(Error::Refused { request: format!("build {name}"), source }.into());
        }
    }
    let found = image::find(docker, &name).await?;
    let id = found.and_then(|image| image.id);
    let id = id.ok_or_else(|| Error::Contradiction {
        problem: format!("{name} was built, but Docker returned no id"),
    })?;
    Ok((name, id))
}

/// `linux/arm64` for `linux-arm64`.
///
/// # Errors
/// [`Error::NoContainersOf`].
pub fn docker_platform(platform: Platform) -> Result<&'static str, Error> {
    match platform {
        Platform::LinuxX64 => Ok("linux/amd64"),
        Platform::LinuxArm64 => Ok("linux/arm64"),
        Platform::DarwinArm64 | Platform::DarwinX64 => Err(Error::NoContainersOf { platform }),
    }
}

/// The build context, as a tar archive in memory.
fn context(binary: &Path) -> Result<Vec<u8>> {
    let server =
        std::fs::read(binary).map_err(|error| files::unreadable(binary, "server binary", error))?;
    let mut archive = tar::Builder::new(Vec::with_capacity(server.len() + 64 * 1024));
    let entries: [(&str, &[u8], u32); 3] = [
        ("Dockerfile", assets::DOCKERFILE.text.as_bytes(), 0o644),
        ("entrypoint.sh", assets::ENTRYPOINT.text.as_bytes(), 0o755),
        ("sqld", &server, 0o755),
    ];
    for (name, bytes, mode) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_cksum();
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok(archive.into_inner()?)
}
