//! `sync`.

use std::fmt;
use std::path::Path;

use secrecy::ExposeSecret;
use serde::Serialize;

use super::{session, target};
use crate::cli::OutputFormat;
use crate::cli::data::{SyncArgs, Target, TargetArgs};
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::embedded::{Synced, replicas};
use demo_stack::state::Local;

/// The result for one replica.
#[derive(Debug, Serialize)]
struct Line {
    namespace: Option<NamespaceName>,
    file: String,
    url: String,
    index_before: Option<u64>,
    index_after: Option<u64>,
    frames: usize,
    took_seconds: f64,
    /// Why the whole database was fetched although a copy existed.
    fetched_again: Option<String>,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.namespace.as_ref().map_or("default", NamespaceName::as_str);
        let index = |index: Option<u64>| index.map_or("none".to_owned(), |index| index.to_string());
        let (before, after) = (index(self.index_before), index(self.index_after));
        let plural = if self.frames == 1 { "" } else { "s" };
        write!(
            formatter,
            "{name:<9} index {before} -> {after}, {} frame{plural} in {:.1} ms",
            self.frames,
            self.took_seconds * 1e3
        )
    }
}

/// Syncs one replica after another and stops at the first failure.
pub async fn run(settings: &Settings, mut args: SyncArgs, output: &Output) -> Result<()> {
    if args.token_path.as_deref().is_some_and(|path| path.as_os_str() == "-") {
        // Stdin can be read only once, but the token is used for every replica.
        args.token = Some(target::from_stdin()?.expose_secret().to_owned());
        args.token_path = None;
    }
    let folder = Local::new(settings.local_dir()).embedded_dir();
    let mut lines = Vec::new();
    for namespace in chosen(&folder, &args)? {
        let line = sync(settings, &args, namespace, output).await?;
        if output.format() != OutputFormat::Json {
            output.line(&line)?;
        }
        lines.push(line);
    }
    if output.format() == OutputFormat::Json { output.json(&lines) } else { Ok(()) }
}

/// The namespaces to sync: those named, without duplicates; else those that have a replica; else
/// the default one.
fn chosen(folder: &Path, args: &SyncArgs) -> Result<Vec<Option<NamespaceName>>> {
    let mut chosen: Vec<_> = args.namespace.iter().cloned().map(Some).collect();
    // Without --namespace they most likely belong to the standing stack; `--url` must not attach
    // them to another server.
    if chosen.is_empty() && args.url.is_none() {
        chosen = replicas(folder)?;
    }
    if chosen.is_empty() {
        chosen.push(None);
    }
    let mut once = Vec::new();
    for name in chosen {
        if !once.contains(&name) {
            once.push(name);
        }
    }
    Ok(once)
}

async fn sync(
    settings: &Settings,
    args: &SyncArgs,
    namespace: Option<NamespaceName>,
    output: &Output,
) -> Result<Line> {
    let target = TargetArgs {
        target: Some(Target::Embedded),
        url: args.url.clone(),
        namespace: namespace.clone(),
        token: args.token.clone(),
        token_path: args.token_path.clone(),
        wait: false,
        sync_interval: None,
        offline: false,
    };
    let mut replica = target::resolve(settings, &target).await?.replica(settings).await?;
    let synced = replica.sync().await;
    session::tell(&mut replica, output);
    let Synced { index_before, index_after, frames, took, fetched_again } = synced?;
    Ok(Line {
        namespace,
        file: replica.file().display().to_string(),
        url: replica.source().endpoint.url(),
        index_before,
        index_after,
        frames,
        took_seconds: (took.as_secs_f64() * 1e6).round() / 1e6,
        fetched_again,
    })
}
