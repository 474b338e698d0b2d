//! `down`, `cleanup`.

use crate::cli::stack::{CleanupArgs, DownArgs};
use crate::commands::engines::Engines;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_base::files::removal;
use demo_report::counted;
use demo_stack::engine::Stop;
use demo_stack::engine::docker::data;
use demo_stack::engine::ephemeral::{Sweep, end_servers, sweep};
use demo_stack::engine::provider::Place;
use demo_stack::state::Local;

/// Stops the standing stack; the data stays unless `--volumes`.
pub async fn down(settings: &Settings, args: &DownArgs, output: &Output) -> Result<()> {
    let local = Local::new(settings.local_dir());
    let engines = Engines::new(settings, output);
    if args.volumes {
        local.refuse_links(&[local.data_dir(), local.embedded_dir(), local.standing_dir()])?;
    }
    if !local.root().is_dir() {
        output.note("no stack is running");
        return Ok(());
    }
    let _lock = local.lock().await?;
    let stopped = stop(settings, &local, &engines, output).await?;
    if !stopped {
        output.note("no stack is running");
    }
    if args.volumes {
        let daemon = engines.daemon().await.ok();
        data::remove(daemon, local.project_dir(), &local.data_dir()).await?;
        output.note("removed   .local/data");
        // The embedded replicas are copies of the removed data; a command that is using one reports
        // an error.
        if local.embedded_dir().exists() {
            data::remove(daemon, local.project_dir(), &local.embedded_dir()).await?;
            output.note("removed   .local/embedded");
        }
    } else if stopped {
        output.note("the data stays in .local/data; `demo down --volumes` removes it");
    }
    Ok(())
}

/// Stops everything and removes what `demo` made, except the server binary.
pub async fn cleanup(settings: &Settings, args: &CleanupArgs, output: &Output) -> Result<()> {
    let local = Local::new(settings.local_dir());
    let engines = Engines::new(settings, output);
    let names = ["admin", "jwt", "certs", "data", "embedded", "logs"];
    let mut targets: Vec<_> = names.into_iter().map(|name| local.root().join(name)).collect();
    if args.all {
        targets.push(local.bin_dir());
    }
    local.refuse_links(&targets)?;
    local.refuse_links(&[local.standing_dir(), local.ephemeral_dir()])?;
    if !local.root().is_dir() {
        output.note("there is nothing to clean up");
        return Ok(());
    }
    let lock = local.lock().await?;
    // A record that cannot be read must not prevent the servers from being stopped.
    if local.standing().is_err() {
        end_servers(&local.standing_dir())?;
        local.forget()?;
    }
    stop(settings, &local, &engines, output).await?;
    end_servers(&local.standing_dir())?;
    let daemon = engines.daemon().await.ok();
    let swept = sweep(&local, Sweep::KeptToo, daemon).await?;
    if swept.removed > 0 {
        output.note(format!("removed   {}", counted(swept.removed, "ephemeral stack")));
    }
    let standing = local.standing_dir();
    for target in targets {
        data::remove(daemon, local.project_dir(), &target).await?;
    }
    // A smoke run that is still in progress keeps its folder and its servers.
    if local.ephemeral_dir().is_dir() {
        std::fs::remove_file(local.ephemeral_dir().join("gate.lock")).ok();
        std::fs::remove_dir(local.ephemeral_dir()).ok();
    }
    drop(lock);
    removal::remove(local.project_dir(), &standing)?;
    std::fs::remove_dir(local.root().join("run")).ok();
    if args.all {
        std::fs::remove_dir(local.root()).ok();
    }
    output.note("removed   keys, token, certificates, data, replicas, logs");
    if let Some(left) = swept.left.first() {
        let left = left.display();
        return Err(Fault::unreachable(format!("{left} belongs to a stack that runs on Docker"))
            .hint("start Docker, then run `demo cleanup` again")
            .into());
    }
    Ok(())
}

async fn stop(
    settings: &Settings,
    local: &Local,
    engines: &Engines<'_>,
    output: &Output,
) -> Result<bool> {
    let Some(standing) = super::find(settings, local, engines).await? else { return Ok(false) };
    let provider = engines.of(standing.engine).await?;
    let engine = provider.engine(&Place::standing(local, &standing.project));
    super::supervise::end(engine.as_ref()).await?;
    let mut any = false;
    // The replicas stop first, since without their primary they would only log errors.
    let (primary, others): (Vec<_>, Vec<_>) =
        standing.services.keys().partition(|name| *name == "primary");
    for service in others.into_iter().chain(primary) {
        if engine.stop(service, Stop::Graceful).await? {
            output.note(format!("{service:<9} stopped"));
            any = true;
        }
    }
    engine.remove(&standing.project).await?;
    local.forget()?;
    Ok(any)
}
