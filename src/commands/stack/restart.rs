//! `restart`.

use super::Stack;
use crate::cli::stack::RestartArgs;
use crate::commands::setup;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_client::http::loopback_client;
use demo_stack::engine::Stop;
use demo_stack::engine::start::until_ready;
use demo_stack::plan::blueprint::Blueprint;

/// Stops and starts services of the standing stack, the primary first.
pub async fn run(settings: &Settings, args: &RestartArgs, output: &Output) -> Result<()> {
    let stack = Stack::open(settings, output).await?;
    let _lock = stack.local.lock().await?;
    let names = stack.services(args.service.as_deref())?;
    let blueprint = Blueprint::new(&settings.project_dir, &setup::with_admin_key(settings)?);
    let plan = blueprint.standing(stack.standing.variants)?;
    let http = loopback_client()?;
    let engine = stack.engine.as_ref();
    engine.prepare(&plan).await?;
    for service in plan.services.iter().filter(|service| names.contains(&service.name)) {
        let spinner = output.spinner(&format!("restarting {}", service.name));
        let since = std::time::Instant::now();
        engine.stop(&service.name, Stop::Graceful).await?;
        engine.start(&plan, service).await?;
        until_ready(engine, service, &http).await?;
        drop(spinner);
        let took = since.elapsed().as_secs_f64();
        output.note(format!("{:<9} restarted in {took:.2} s", service.name));
    }
    Ok(())
}
