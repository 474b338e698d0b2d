//! What can go wrong with Docker.

use std::path::PathBuf;

use demo_base::error::Cause;
use demo_sqld_dist::pins::Platform;

/// What can go wrong with Docker.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration of the Docker client has no such context.
    #[error("there is no Docker context `{name}`")]
    NoContext {
        /// The name that was asked for.
        name: String,
    },
    /// No daemon can be reached.
    #[error("no Docker engine at {url} (named by {named_by})")]
    Unreachable {
        /// The address of the daemon.
        url: String,
        /// The setting that the address comes from.
        named_by: String,
        /// Why it cannot be reached.
        reason: Unreachable,
        /// What the system says.
        source: Cause,
    },
    /// The daemon accepts connections, but does not answer.
    #[error("Docker at {url} does not answer")]
    Silent {
        /// The address of the daemon.
        url: String,
    },
    /// The daemon broke off.
    #[error("lost the connection to Docker; it was asked to {request}")]
    Lost {
        /// What it was asked to do, as in "start primary".
        request: String,
        /// What the system says.
        source: Cause,
    },
    /// The daemon's disk is full.
    #[error("Docker cannot {request}: its disk is full")]
    DiskFull {
        /// What it was asked to do.
        request: String,
        /// What it answered.
        source: Cause,
    },
    /// The daemon refuses a request for another reason.
    #[error("Docker cannot {request}")]
    Refused {
        /// What it was asked to do.
        request: String,
        /// What it answered.
        source: Cause,
    },
    /// The daemon's answers do not fit together.
    #[error("{problem}")]
    Contradiction {
        /// How they differ.
        problem: String,
    },
    /// A service has no image.
    #[error("service `{service}` has no `image`")]
    NoImage {
        /// The name of the service.
        service: String,
    },
    /// An image is named by a tag, which may have another content tomorrow.
    #[error("the image {image} is not present, and a tag without a digest is never pulled")]
    Unpinned {
        /// The image.
        image: String,
    },
    /// An image cannot be pulled.
    #[error("the image {image} cannot be pulled")]
    NotPulled {
        /// The image.
        image: String,
        /// What Docker or the system says.
        source: Cause,
    },
    /// An image is for another platform than the service.
    #[error("the image {image} is for {found}, not for {wanted}")]
    ImagePlatform {
        /// The image.
        image: String,
        /// Its platform.
        found: String,
        /// That of the service.
        wanted: String,
    },
    /// The base of an image is for another platform than the image.
    #[error("the base {base} is for {found}, not for {wanted}")]
    BasePlatform {
        /// The base.
        base: String,
        /// Its platform.
        found: String,
        /// That of the image.
        wanted: &'static str,
    },
    /// There are no containers of a platform.
    #[error("containers cannot run {platform}")]
    NoContainersOf {
        /// The platform.
        platform: Platform,
    },
    /// A container of somebody else has the name.
    #[error("a container `{name}` exists that is not part of this stack")]
    ForeignContainer {
        /// The name of the container.
        name: String,
    },
    /// A network of somebody else has the name.
    #[error("a network `{name}` exists that is not part of this stack")]
    ForeignNetwork {
        /// The name of the network.
        name: String,
    },
    /// A service has no container.
    #[error("{service} has no container")]
    NoContainer {
        /// The name of the service.
        service: String,
    },
    /// A folder to be removed is behind a symbolic link.
    #[error("the path {} contains a symbolic link", path.display())]
    BehindLink {
        /// The folder.
        path: PathBuf,
    },
    /// No image is present whose containers could remove files.
    #[error("no server image is present to remove the files of a container with")]
    NoServerImage,
}

/// Why a daemon cannot be reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unreachable {
    /// This user may not use its socket.
    Permission,
    /// Its address has a scheme that is not supported.
    Scheme,
    /// Nothing answers at its address.
    Absent,
}
