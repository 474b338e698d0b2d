//! `image build`.

use serde_json::json;

use crate::cli::OutputFormat;
use crate::cli::image::{ImageBuildArgs, ImageCommand};
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_dist::install::{Request, install};
use demo_sqld_dist::pins::Platform;
use demo_stack::engine::docker::build::{Build, build};
use demo_stack::engine::docker::connect::Daemon;
use demo_stack::state::Local;

pub async fn run(settings: &Settings, command: ImageCommand, output: &Output) -> Result<()> {
    match command {
        ImageCommand::Build(args) => build_image(settings, &args, output).await,
    }
}

/// Prints only the name of the image, so that it can be assigned to `LIBSQL_IMAGE`.
async fn build_image(settings: &Settings, args: &ImageBuildArgs, output: &Output) -> Result<()> {
    let platform = match args.platform {
        Some(platform) => platform,
        None => here()?,
    };
    let daemon = Daemon::connect(&settings.docker).await?;
    let spinner = output.spinner("building the image");
    let installed = install(
        &Request {
            platform,
            bin_dir: &Local::new(settings.local_dir()).bin_dir(),
            from: None,
            force: false,
            search_path: settings.search_path.as_deref(),
        },
        &spinner,
    )
    .await?;
    let wanted = Build { platform, binary: &installed.path, base: &args.base };
    let (name, id) = build(&daemon, &wanted, &spinner).await?;
    drop(spinner);
    output.note(format!("image     {id}"));
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "image": name, "id": id }));
    }
    output.line(name)
}

/// The platform of this machine's containers, which run Linux on a Mac too.
fn here() -> Result<Platform> {
    Ok(match Platform::current()? {
        Platform::DarwinArm64 => Platform::LinuxArm64,
        Platform::DarwinX64 => Platform::LinuxX64,
        linux => linux,
    })
}
