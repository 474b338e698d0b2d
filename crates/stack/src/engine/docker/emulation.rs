//! How an arm64 daemon runs amd64 programs.
//!
//! Not verified on such a machine: Rosetta is recognised by the processor name that it shows to
//! programs.

use bollard::models::ContainerCreateBody;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, RemoveContainerOptionsBuilder,
    WaitContainerOptions,
};
use futures::StreamExt;

use super::connect::Daemon;

/// `under Rosetta`, `under QEMU`, or why that cannot be determined; runs a container of `image`,
/// which must be present.
pub async fn of_amd64(daemon: &Daemon, image: &str) -> String {
    match processor(daemon, image).await {
        Ok(text) if text.contains("VirtualApple") => "under Rosetta".to_owned(),
        Ok(_) => "under QEMU".to_owned(),
        Err(error) => format!("in a way that could not be determined ({error})"),
    }
}

async fn processor(daemon: &Daemon, image: &str) -> Result<String, bollard::errors::Error> {
    let docker = &daemon.docker;
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec!["/bin/cat".to_owned()]),
        cmd: Some(vec!["/proc/cpuinfo".to_owned()]),
        network_disabled: Some(true),
        ..Default::default()
    };
    let options = CreateContainerOptionsBuilder::new().platform("linux/amd64").build();
    let id = docker.create_container(Some(options), body).await?.id;
    let ran = async {
        docker.start_container(&id, None).await?;
        let _code = docker.wait_container(&id, None::<WaitContainerOptions>).next().await;
        let options = LogsOptionsBuilder::new().stdout(true).tail("50").build();
        let mut text = String::new();
        let mut chunks = std::pin::pin!(docker.logs(&id, Some(options)));
        while let Some(chunk) = chunks.next().await {
            text.push_str(&String::from_utf8_lossy(&chunk?.into_bytes()));
        }
        Ok(text)
    }
    .await;
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&id, Some(options)).await?;
    ran
}
