//! The server image: present, for the right platform, or pulled by its digest.

use std::collections::HashMap;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use docker_credential::DockerCredential;
use futures::StreamExt;

use super::Error;
use super::connect::{failure, refusal, root};
use demo_base::progress::Progress;

/// Ensures that `reference` is present and returns the id of the image.
///
/// # Errors
/// [`Error::Unpinned`] for a reference without a digest that is not present, [`Error::ImagePlatform`]
/// for an image for another platform, [`Error::NotPulled`]; as [`find`].
pub async fn ensure(
    docker: &Docker,
    reference: &str,
    platform: Option<&str>,
    progress: &dyn Progress,
) -> Result<String, Error> {
    let mut found = find(docker, reference).await?;
    if found.is_none() {
        pull(docker, reference, platform, progress).await?;
        found = find(docker, reference).await?;
    }
    let image = found.ok_or_else(|| Error::Contradiction {
        problem: format!("the image {reference} was pulled, but Docker does not list it"),
    })?;
    check_platform(reference, &image, platform)?;
    Ok(image.id.unwrap_or_default())
}

/// The image, if the daemon has it.
///
/// # Errors
/// [`Error::Lost`], [`Error::Refused`] or [`Error::DiskFull`].
pub async fn find(docker: &Docker, reference: &str) -> Result<Option<ImageInspect>, Error> {
    match docker.inspect_image(reference).await {
        Ok(image) => Ok(Some(image)),
        Err(error) if refusal(&error).is_some_and(|(status, _)| status == 404) => Ok(None),
        Err(error) => Err(failure(&format!("look for the image {reference}"), &error)),
    }
}

/// The platform of the image, such as `linux/amd64`.
pub fn platform_of(image: &ImageInspect) -> String {
    let word = |word: &Option<String>| word.clone().unwrap_or_else(|| "?".to_owned());
    format!("{}/{}", word(&image.os), word(&image.architecture))
}

fn check_platform(
    reference: &str,
    image: &ImageInspect,
    wanted: Option<&str>,
) -> Result<(), Error> {
    let Some(wanted) = wanted else { return Ok(()) };
    let found = platform_of(image);
    // `linux/arm64/v8` is `linux/arm64` with a variant.
    if wanted == found || wanted.starts_with(&format!("{found}/")) {
        return Ok(());
    }
    Err(Error::ImagePlatform { image: reference.to_owned(), found, wanted: wanted.to_owned() })
}

async fn pull(
    docker: &Docker,
    reference: &str,
    platform: Option<&str>,
    progress: &dyn Progress,
) -> Result<(), Error> {
    if !reference.contains("@sha256:") {
        return Err(Error::Unpinned { image: reference.to_owned() });
    }
    progress.phase(&format!("pulling {}", short(reference)));
    let options = CreateImageOptionsBuilder::new()
        .from_image(reference)
        .platform(platform.unwrap_or_default())
        .build();
    let mut layers = Layers::default();
    let mut events =
        std::pin::pin!(docker.create_image(Some(options), None, credentials(reference)));
    while let Some(event) = events.next().await {
        let event = event.map_err(|error| {
            let said = refusal(&error).map_or_else(|| root(&error), |(_, m)| m.to_owned());
            Error::NotPulled { image: short(reference), source: said.into() }
        })?;
        layers.hear(&event);
        let (done, total) = layers.bytes();
        progress.bytes(done, Some(total).filter(|total| *total > 0));
    }
    Ok(())
}

/// Downloaded and total bytes of every layer that is being fetched.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    fn hear(&mut self, event: &CreateImageInfo) {
        if event.status.as_deref() != Some("Downloading") {
            return;
        }
        let (Some(id), Some(detail)) = (&event.id, &event.progress_detail) else { return };
        let number = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).unwrap_or_default();
        self.0.insert(id.clone(), (number(detail.current), number(detail.total)));
    }

    fn bytes(&self) -> (u64, u64) {
        self.0.values().fold((0, 0), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1))
    }
}

/// The credentials that `docker login` has stored for the registry of the image, if any.
fn credentials(reference: &str) -> Option<DockerCredentials> {
    let registry = reference.split('/').next().filter(|first| first.contains(['.', ':']))?;
    match docker_credential::get_credential(registry).ok()? {
        DockerCredential::UsernamePassword(username, password) => Some(DockerCredentials {
            username: Some(username),
            password: Some(password),
            serveraddress: Some(registry.to_owned()),
            ..Default::default()
        }),
        DockerCredential::IdentityToken(token) => Some(DockerCredentials {
            identitytoken: Some(token),
            serveraddress: Some(registry.to_owned()),
            ..Default::default()
        }),
    }
}

/// A reference with the first twelve digits of its digest.
fn short(reference: &str) -> String {
    match reference.split_once("@sha256:") {
        Some((name, digest)) => {
            format!("{name}@sha256:{}", digest.chars().take(12).collect::<String>())
        }
        None => reference.to_owned(),
    }
}
