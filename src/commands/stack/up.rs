//! `up`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::{Stack, status, supervise};
use crate::cli::OutputFormat;
use crate::cli::stack::{UpArgs, VariantArg};
use crate::commands::engines::Engines;
use crate::commands::setup;
use crate::commands::signals::interrupted;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::{EngineChoice, Settings};
use demo_base::error::Result;
use demo_sqld_client::http::loopback_client;
use demo_stack::engine::provider::{Place, Provider};
use demo_stack::engine::start::{How, Observer, Started, bring_up};
use demo_stack::engine::{Engine, Stop};
use demo_stack::plan::blueprint::{Blueprint, Variants};
use demo_stack::plan::{Interface, StackPlan, native};
use demo_stack::state::{EngineKind, Local, Standing};

/// What `up` is about, found out once: what runs, what is to run, and with what.
struct Resolved {
    local: Local,
    recorded: Option<Standing>,
    variants: Variants,
    /// Every service of the compose files.
    whole: StackPlan,
    /// Those that this command starts.
    plan: StackPlan,
}

impl Resolved {
    /// Reads the record and the files.
    async fn new(settings: &Settings, args: &UpArgs, engines: &Engines<'_>) -> Result<Self> {
        let local = Local::new(settings.local_dir());
        let recorded = super::find(settings, &local, engines).await?;
        // Without --variant, a running stack keeps its variants.
        let variants = match (&recorded, args.variant.is_empty()) {
            (Some(standing), true) => standing.variants,
            _ => variants(&args.variant)?,
        };
        let whole = plan(settings, &settings.plan_variables, variants)?;
        let plan = cut(&whole, args)?;
        Ok(Self { local, recorded, variants, whole, plan })
    }

    /// Takes the Admin key that is stored by now, if another command was faster than this one.
    fn take_key(&mut self, settings: &Settings, args: &UpArgs) -> Result<()> {
        let variables = setup::with_admin_key(settings)?;
        if variables != settings.plan_variables {
            self.whole = plan(settings, &variables, self.variants)?;
            self.plan = cut(&self.whole, args)?;
        }
        Ok(())
    }

    async fn provider(&self, choice: EngineChoice, engines: &Engines<'_>) -> Result<Provider> {
        let provider = match (&self.recorded, choice) {
            (Some(standing), EngineChoice::Auto) if standing.engine == EngineKind::Docker => {
                engines.of(standing.engine).await?
            }
            _ => engines.choose(choice, &self.plan).await?,
        };
        match &self.recorded {
            Some(standing) if standing.engine != provider.kind() => {
                Err(Fault::input(format!("the stack runs on the {} engine", standing.engine))
                    .hint("run `demo down` first")
                    .into())
            }
            _ => Ok(provider),
        }
    }
}

fn plan(
    settings: &Settings,
    values: &BTreeMap<String, String>,
    variants: Variants,
) -> Result<StackPlan> {
    Blueprint::new(&settings.project_dir, values).standing(variants)
}

fn cut(whole: &StackPlan, args: &UpArgs) -> Result<StackPlan> {
    Ok(match &args.only {
        Some(service) => whole.clone().only(service)?,
        None => whole.clone(),
    })
}

/// Starts the standing stack and waits until it is ready.
pub async fn run(settings: &Settings, args: &UpArgs, output: &Output) -> Result<()> {
    let engines = Engines::new(settings, output);
    let choice = args.engine.unwrap_or(settings.engine);
    // Before anything is created, so that errors in the files are reported first.
    let mut resolved = Resolved::new(settings, args, &engines).await?;
    if args.dry_run {
        return dry_run(choice, &resolved.plan, output);
    }
    let _lock = resolved.local.lock().await?;
    let provider = resolved.provider(choice, &engines).await?;
    setup::ensure(settings, output)?;
    resolved.take_key(settings, args)?;
    let Resolved { local, recorded, variants, whole, plan } = resolved;
    let engine = provider.engine(&Place::standing(&local, &plan.project));
    supervise::end(engine.as_ref()).await?;
    let outcome = start(&local, recorded, engine.as_ref(), &plan, variants, output).await;
    // The supervisor watches whatever runs now, even if the start has failed.
    let standing = local.standing()?;
    if let Some(standing) = &standing {
        let mut all = whole;
        all.services.retain(|service| standing.services.contains_key(&service.name));
        supervise::begin(settings, &local, &provider, &all).await?;
    }
    outcome?;
    let standing = standing.ok_or_else(super::no_stack)?;
    let report = status::collect(settings, Stack { local, standing, engine }, None).await?;
    if output.format() == OutputFormat::Json {
        return output.json(&report);
    }
    output.line(&report)?;
    footer(settings, variants, output);
    Ok(())
}

async fn start(
    local: &Local,
    recorded: Option<Standing>,
    engine: &dyn Engine,
    plan: &StackPlan,
    variants: Variants,
    output: &Output,
) -> Result<()> {
    let since = recorded.as_ref().map_or_else(Timestamp::now, |standing| standing.started_at);
    let mut standing = Standing::of(plan, engine.kind(), variants, since);
    if let Some(recorded) = &recorded {
        // With --only, the other services stay as they are.
        for (name, addresses) in &recorded.services {
            standing.services.entry(name.clone()).or_insert(*addresses);
        }
    }
    // Recorded before the start, so that `down` can stop the stack whatever happens next.
    local.save(&standing)?;
    let spinner = output.spinner("starting");
    let http = loopback_client()?;
    let observer = UpReporter { spinner: &spinner, output, plan };
    let outcome = tokio::select! {
        // Signals are caught before the first server starts.
        biased;
        signal = interrupted() => signal.and_then(|()| Err(demo_base::Error::Interrupted.into())),
        outcome = bring_up(engine, plan, &http, &observer) => outcome.map(|_| ()),
    };
    drop(spinner);
    if outcome.is_err() && recorded.is_none() && undo(engine, plan).await.is_ok() {
        // If the start could not be undone, the record tells `down` what is still running.
        local.forget()?;
    }
    outcome
}

/// Stops the services of an incomplete start, since half a stack is of no use.
async fn undo(engine: &dyn Engine, plan: &StackPlan) -> Result<()> {
    for service in plan.services.iter().rev() {
        engine.stop(&service.name, Stop::Graceful).await?;
    }
    engine.remove(&plan.project).await
}

fn variants(asked: &[VariantArg]) -> Result<Variants> {
    let has = |variant| asked.contains(&variant);
    if has(VariantArg::Default) && asked.iter().any(|variant| *variant != VariantArg::Default) {
        return Err(Fault::input("`--variant default` means the base stack alone")
            .hint("leave it out to combine the others")
            .into());
    }
    Ok(Variants { namespaced: has(VariantArg::Namespaced), tls: has(VariantArg::Tls) })
}

fn dry_run(choice: EngineChoice, plan: &StackPlan, output: &Output) -> Result<()> {
    let docker = choice == EngineChoice::Docker;
    let document = if docker {
        json!({ "engine": "docker", "plan": plan })
    } else {
        json!({ "engine": "native", "plan": plan, "processes": native::translate(plan)? })
    };
    if output.format() == OutputFormat::Json {
        return output.json(&document);
    }
    output.line(describe(plan))?;
    if !docker {
        for process in native::translate(plan)? {
            let shown = serde_json::to_value(&process)?;
            let words = shown["arguments"].as_array().into_iter().flatten();
            let words: Vec<&str> = words.filter_map(|word| word.as_str()).collect();
            output.line(format!("\n{}\n  sqld {}", process.service, words.join(" ")))?;
        }
    }
    Ok(())
}

fn describe(plan: &StackPlan) -> String {
    let mut lines = vec![format!("project {}, in this order:", plan.project)];
    for service in &plan.services {
        let interfaces = [Interface::Http, Interface::Grpc, Interface::Admin].into_iter();
        let addresses: Vec<String> = interfaces
            .filter_map(|interface| Some(format!("{interface} {}", service.endpoint(interface)?)))
            .collect();
        lines.push(format!("  {:<10} {}", service.name, addresses.join("   ")));
    }
    lines.join("\n")
}

struct UpReporter<'a> {
    spinner: &'a crate::output::Spinner,
    output: &'a Output,
    plan: &'a StackPlan,
}

impl Observer for UpReporter<'_> {
    fn starting(&self, service: &str) {
        self.spinner.say(&format!("starting {service}"));
    }

    fn ready(&self, started: &Started) {
        let how = match started.how {
            How::Started => format!("ready in {:.2} s", started.took.as_secs_f64()),
            How::AlreadyUp => "is running already".to_owned(),
            How::Replaced => {
                format!("restarted with its changes, ready in {:.2} s", started.took.as_secs_f64())
            }
        };
        let service = self.plan.service(&started.service).ok();
        let address = service.and_then(|service| service.endpoint(Interface::Http));
        let url = address.map(|address| format!("   http://{address}")).unwrap_or_default();
        self.spinner.above(|| self.output.note(format!("{:<9} {how}{url}", started.service)));
    }
}

/// The commands that a user needs next, ready to paste.
fn footer(settings: &Settings, variants: Variants, output: &Output) {
    let token = settings.token_path.strip_prefix(&settings.project_dir);
    let token = token.unwrap_or(&settings.token_path).display();
    output.note(format!("token     {token}"));
    if !variants.tls {
        output.note("note      the gRPC port has no authentication, so it is bound to loopback");
    }
    output.note("");
    let namespace = if variants.namespaced {
        output.note("demo namespace create shop");
        " --namespace shop"
    } else {
        ""
    };
    output.note(format!("demo init{namespace} && demo insert{namespace} --label first"));
    output.note(format!("demo count{namespace} --target replica --wait"));
}
