//! One function for each command: it takes the settings and returns the exit code.

mod auth;
mod data;
mod doctor;
mod engines;
mod gate;
mod image;
mod keys;
mod mint;
mod namespace;
mod probe;
mod service;
mod session;
mod setup;
mod signals;
mod smoke;
mod sql;
mod sqld;
mod stack;
mod sync;
mod target;
mod tenant;
mod token;

use clap::CommandFactory;

use crate::cli::{App, Command, ExecArgs, OutputFormat};
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_stack::engine::native::confinement::Confinement;
use demo_stack::engine::native::launcher::{self, Launch};

/// Runs the command of `app`.
///
/// # Errors
/// Whatever error the command meets; `explain::Diagnosis` has its exit code.
pub async fn run(app: App, output: &Output) -> Result<ExitCode> {
    let done = |()| ExitCode::Success;
    let command = match app.command {
        Command::Exec(args) => return exec(&args).await.map(done),
        Command::Completions { shell } => return completions(shell, output),
        other => other,
    };
    if output.format() == OutputFormat::Env && !matches!(command, Command::Status(_)) {
        return Err(Fault::input("only `demo status` has the output format env")
            .hint("use -o text or -o json")
            .into());
    }
    let settings = Settings::load(app.global.project_dir.as_deref())?;
    match command {
        Command::Setup(args) => setup::setup(&settings, &args, output).map(done),
        Command::Keys(args) => keys::run(&settings, &args, output).await.map(done),
        Command::Certs(args) => setup::certs(&settings, &args, output).map(done),
        Command::Token(args) => token::run(&settings, args, output),
        Command::Sqld(args) => sqld::run(&settings, args, output).await.map(done),
        Command::Image(args) => image::run(&settings, args, output).await.map(done),
        Command::Up(args) => stack::up::run(&settings, &args, output).await.map(done),
        Command::Status(args) => stack::status::run(&settings, &args, output).await.map(done),
        Command::Logs(args) => stack::logs::run(&settings, &args, output).await.map(done),
        Command::Restart(args) => stack::restart::run(&settings, &args, output).await.map(done),
        Command::Down(args) => stack::down::down(&settings, &args, output).await.map(done),
        Command::Cleanup(args) => stack::down::cleanup(&settings, &args, output).await.map(done),
        Command::Namespace(args) => namespace::run(&settings, args, output).await.map(done),
        Command::Tenant(args) => tenant::run(&settings, args, output).await.map(done),
        Command::Mint(args) => mint::run(&settings, args, output).await,
        Command::Init(args) => data::init(&settings, &args, output).await.map(done),
        Command::Insert(args) => data::insert(&settings, &args, output).await.map(done),
        Command::Read(args) => data::read(&settings, &args, output).await.map(done),
        Command::Count(args) => data::count(&settings, &args, output).await.map(done),
        Command::AuthCheck(args) => data::auth_check(&settings, &args, output).await,
        Command::Run(args) => data::run(&settings, &args, output).await.map(done),
        Command::Sql(args) => sql::run(&settings, &args, output).await.map(done),
        Command::Sync(args) => sync::run(&settings, args, output).await.map(done),
        Command::Smoke(args) => smoke::run(&settings, &args, output).await,
        Command::Probe(args) => Box::pin(probe::run(settings, args, output)).await,
        Command::Gate(args) => gate::run(&settings, args).await,
        Command::Auth(args) => auth::run(&settings, args, output).await,
        Command::Doctor => doctor::run(&settings, output).await,
        Command::Supervise => stack::supervise::run(&settings, output).await.map(done),
        Command::Exec(_) | Command::Completions { .. } => Ok(ExitCode::Success),
    }
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Result<ExitCode> {
    // Collected first: written straight to stdout it would panic when the reader has gone.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut App::command(), "demo", &mut script);
    output.line(String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Success)
}

async fn exec(args: &ExecArgs) -> Result<()> {
    launcher::launch(Launch {
        pid_file: &args.pid_file,
        owner: args.owner,
        lifeline: args.lifeline,
        confinement: args.user.map(|user| Confinement {
            user,
            own: args.own.clone(),
            read: args.read.clone(),
            hide: args.hide.clone(),
        }),
        command: &args.command,
    })
    .await
}
