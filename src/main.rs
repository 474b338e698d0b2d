//! Parse, run, return the exit code; nothing else.

use std::process::ExitCode;

use clap::Parser;
use demo::cli::App;
use demo::explain::Diagnosis;
use demo::output::Output;

fn main() -> ExitCode {
    let app = App::parse();
    let output = Output::new(&app.global);
    // The runtime has one thread, because a server that is tied to the life of its parent is tied
    // to the thread that started it.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            output.error(&Diagnosis::of(&error.into()));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(demo::commands::run(app, &output));
    // A thread that is still reading stdin must not keep the process alive.
    runtime.shutdown_background();
    match outcome {
        Ok(code) => code.into(),
        Err(error) => {
            let diagnosis = Diagnosis::of(&error);
            output.error(&diagnosis);
            diagnosis.code.into()
        }
    }
}
