//! Removing files that a container wrote as another user.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HostConfig, ImageSummary};
use bollard::query_parameters::{
    ListImagesOptions, RemoveContainerOptionsBuilder, WaitContainerOptions,
};
use futures::StreamExt;

use super::connect::{Daemon, failure};
use super::{Error, labels, list};
use demo_base::error::Result;
use demo_base::files::{self, removal};

/// The image of upstream and that of `demo image build`.
const SERVER_IMAGES: [&str; 2] = ["libsql-server", "libsql-demo/sqld"];

/// Removes `folder` with its content: directly where possible, else, with a daemon, through a
/// container that sees nothing but the folder. Links are removed, not followed; `within` is the
/// project's folder, below which no link may lead to `folder`.
///
/// # Errors
/// [`demo_base::Error::SymbolicLink`] or [`Error::BehindLink`] when the folder is a link or behind
/// one; [`demo_base::Error::Unwritable`], [`Error::NoServerImage`] or another error of Docker when
/// neither way works.
pub async fn remove(daemon: Option<&Daemon>, within: &Path, folder: &Path) -> Result<()> {
    removal::refuse_links(within, folder)?;
    match removal::attempt(within, folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
        Err(_) => return Ok(removal::remove(within, folder)?),
    }
    let Some(daemon) = daemon else { return Ok(removal::remove(within, folder)?) };
    // Docker resolves links in the source of a mount, which could then be another folder.
    let real = folder.canonicalize().map_err(|e| files::unreadable(folder, "folder", e))?;
    if real != absolute(folder)? {
        return Err(Error::BehindLink { path: folder.to_owned() }.into());
    }
    let image = image(daemon).await?;
    through_container(daemon, &image, &real).await?;
    Ok(removal::remove(within, folder)?)
}

fn absolute(path: &Path) -> Result<PathBuf, demo_base::Error> {
    std::path::absolute(path).map_err(|e| files::unreadable(path, "folder", e))
}

/// The image of the containers that wrote the files: it is present, and has `rm`.
async fn image(daemon: &Daemon) -> Result<String, Error> {
    let ours = list(&daemon.docker, &[labels::DIGEST.to_owned()]).await?;
    if let Some(image) = ours.into_iter().find_map(|container| container.image_id) {
        return Ok(image);
    }
    let images = daemon.docker.list_images(None::<ListImagesOptions>).await;
    let images = images.map_err(|error| failure("list its images", &error))?;
    // Only a server image is used, since the container runs as root.
    let serves = |image: &ImageSummary| {
        let mut names = image.repo_tags.iter().chain(&image.repo_digests);
        names.any(|name| SERVER_IMAGES.iter().any(|known| name.contains(known)))
    };
    images.into_iter().find(serves).map(|image| image.id).ok_or(Error::NoServerImage)
}

async fn through_container(daemon: &Daemon, image: &str, folder: &Path) -> Result<(), Error> {
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["/bin/rm".to_owned()]),
        cmd: Some(["-rf", "--one-file-system", "/remove/all"].map(str::to_owned).to_vec()),
        user: Some("0:0".to_owned()),
        network_disabled: Some(true),
        labels: Some([(labels::FOLDER.to_owned(), folder.display().to_string())].into()),
        host_config: Some(HostConfig {
            binds: Some(vec![format!("{}:/remove/all", folder.display())]),
            cap_drop: Some(vec!["ALL".to_owned()]),
            cap_add: Some(vec!["DAC_OVERRIDE".to_owned(), "FOWNER".to_owned()]),
            ..Default::default()
        }),
        ..Default::default()
    };
    let docker = &daemon.docker;
    let removing = |error| failure("remove the files of a container", &error);
    let none = None::<bollard::query_parameters::CreateContainerOptions>;
    let id = docker.create_container(none, body).await.map_err(removing)?.id;
    let ran = async {
        docker.start_container(&id, None).await?;
        // `rm` cannot remove the mount point itself, so its exit code means nothing.
        let _code = docker.wait_container(&id, None::<WaitContainerOptions>).next().await;
        Ok(())
    }
    .await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&id, Some(options)).await.map_err(removing)?;
    ran.map_err(removing)
}
