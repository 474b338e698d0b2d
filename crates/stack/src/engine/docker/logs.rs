//! The log of a container, line by line.

use bollard::query_parameters::LogsOptionsBuilder;
use futures::stream::{self, LocalBoxStream};
use futures::{StreamExt, TryStreamExt};

use super::connect::failure;
use super::{DockerEngine, Error};
use demo_base::error::Result;

/// The lines that a service writes from now on.
pub(super) fn follow<'a>(
    engine: &'a DockerEngine,
    service: &'a str,
) -> LocalBoxStream<'a, Result<String>> {
    let opened = async move {
        let found = engine.containers(service).await?.into_iter().find_map(|c| c.id);
        let id = found.ok_or_else(|| Error::NoContainer { service: service.to_owned() })?;
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).follow(true).tail("0").build();
        let mut rest = Vec::new();
        let chunks = engine.docker().logs(&id, Some(options)).flat_map(move |chunk| {
            let lines = match chunk {
                Ok(chunk) => {
                    whole_lines(&mut rest, &chunk.into_bytes()).into_iter().map(Ok).collect()
                }
                Err(error) => {
                    vec![Err(failure(&format!("read the log of {service}"), &error).into())]
                }
            };
            stream::iter::<Vec<Result<String>>>(lines)
        });
        Ok::<_, anyhow::Error>(chunks)
    };
    stream::once(opened).try_flatten().boxed_local()
}

/// The complete lines in `chunk`; an incomplete one is kept in `rest`.
fn whole_lines(rest: &mut Vec<u8>, chunk: &[u8]) -> Vec<String> {
    rest.extend_from_slice(chunk);
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
    let whole: Vec<u8> = rest.drain(..=end).collect();
    String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
}
