//! `image`: builds a server image around the pinned binary.

use clap::{Args, Subcommand};

use demo_sqld_dist::pins::Platform;

#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Build an image around the pinned binary that can replace the upstream image
    #[command(after_help = "\
The base image needs bash, chown and setpriv, which every Debian has, and CA certificates,
without which the server panics at start. It must already be on the daemon, or be named by
digest. scripts/build-base.sh makes one with debootstrap.

Examples:
  scripts/build-base.sh && demo image build --base libsql-demo/base:bookworm
  LIBSQL_IMAGE=$(demo image build --base libsql-demo/base:bookworm) demo up --engine docker")]
    Build(ImageBuildArgs),
}

#[derive(Args, Debug)]
pub struct ImageBuildArgs {
    /// linux-x64 or linux-arm64 [default: this machine's]
    #[arg(long, value_name = "P")]
    pub platform: Option<Platform>,
    /// The image to build on
    #[arg(long, value_name = "IMAGE")]
    pub base: String,
}
