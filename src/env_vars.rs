//! Every environment variable that `demo` reads. `.env` may set them too;
//! `.env.example` lists them all (a test compares the two).

/// Port of the primary's HTTP API on 127.0.0.1 (18080).
pub const PRIMARY_HTTP_PORT: &str = "PRIMARY_HTTP_PORT";
/// Port of the primary's gRPC service on 127.0.0.1 (18081).
pub const PRIMARY_GRPC_PORT: &str = "PRIMARY_GRPC_PORT";
/// Port of the primary's Admin API on 127.0.0.1 (18082).
pub const PRIMARY_ADMIN_PORT: &str = "PRIMARY_ADMIN_PORT";
/// Port of the replica's HTTP API on 127.0.0.1 (18083).
pub const REPLICA_HTTP_PORT: &str = "REPLICA_HTTP_PORT";
/// The server image, by digest.
pub const LIBSQL_IMAGE: &str = "LIBSQL_IMAGE";
/// The platform of the server image (linux/amd64).
pub const LIBSQL_PLATFORM: &str = "LIBSQL_PLATFORM";
/// The key of the Admin API (.local/admin/admin.key, which `demo setup` makes).
pub use demo_stack::plan::blueprint::LIBSQL_ADMIN_AUTH_KEY;
/// `known-limitation` records whether namespaces reach the replica; `pass` demands it.
pub const EXPECT_NAMESPACE_REPLICA: &str = "EXPECT_NAMESPACE_REPLICA";
/// `auto`, `native` or `docker`.
pub const DEMO_ENGINE: &str = "DEMO_ENGINE";
/// A server binary to use instead of the pinned one.
pub const DEMO_SQLD_BIN: &str = "DEMO_SQLD_BIN";
/// The token that the data commands send.
pub const DEMO_TOKEN: &str = "DEMO_TOKEN";
/// The file with that token (.local/jwt/jwt.token).
pub const DEMO_TOKEN_PATH: &str = "DEMO_TOKEN_PATH";

/// The Docker daemon. This variable and the next four belong to other programs; they are read with
/// the meaning they have there, and only from the environment.
pub const DOCKER_HOST: &str = "DOCKER_HOST";
/// The Docker context in use.
pub const DOCKER_CONTEXT: &str = "DOCKER_CONTEXT";
/// The folder of the Docker client's settings (~/.docker).
pub const DOCKER_CONFIG: &str = "DOCKER_CONFIG";
/// The user's home folder.
pub const HOME: &str = "HOME";
/// The folders in which programs are looked up.
pub const PATH: &str = "PATH";

/// All variables of `demo`, in the order of `.env.example`.
pub const ALL: [&str; 12] = [
    PRIMARY_HTTP_PORT,
    PRIMARY_GRPC_PORT,
    PRIMARY_ADMIN_PORT,
    REPLICA_HTTP_PORT,
    LIBSQL_IMAGE,
    LIBSQL_PLATFORM,
    LIBSQL_ADMIN_AUTH_KEY,
    EXPECT_NAMESPACE_REPLICA,
    DEMO_ENGINE,
    DEMO_SQLD_BIN,
    DEMO_TOKEN,
    DEMO_TOKEN_PATH,
];
