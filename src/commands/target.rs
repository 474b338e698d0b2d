//! Which server a data command talks to, and with which token.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::cli::data::{Target, TargetArgs};
use crate::env_vars;
use crate::fault::Fault;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_base::files;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::Client;
use demo_sqld_client::embedded::{Freshness, Replica, Source};
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::loopback_client;
use demo_sqld_client::replication::catch_up;
use demo_stack::state::{Local, Standing};

/// The server accepts a token for this many seconds after it has expired.
const LEEWAY: i64 = 60;

/// A server, a namespace and a token, as the options name them.
pub struct TargetServer {
    pub endpoint: Endpoint,
    pub token: SecretString,
}

/// Resolves the options; with `--wait`, returns once the replica has caught up.
///
/// # Errors
/// Exit 2 for options that contradict each other, 3 when the server cannot be reached, 4 for a
/// token that has expired, 5 for a missing token file.
pub async fn resolve(settings: &Settings, args: &TargetArgs) -> Result<TargetServer> {
    check_options(args)?;
    let token = token_for(settings, args)?;
    let namespace = args.namespace.as_ref();
    let endpoint = if let Some(url) = &args.url {
        Endpoint::parse(url, namespace)?
    } else {
        let standing = Local::new(settings.local_dir()).standing()?;
        check_namespace(standing.as_ref(), namespace)?;
        Endpoint::local(address(settings, standing.as_ref(), args.target()), namespace)
    };
    if args.wait && args.target() != Target::Embedded {
        wait(settings, args, &token).await?;
    }
    Ok(TargetServer { endpoint, token })
}

impl TargetServer {
    /// A Hrana client for this server.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn hrana(&self) -> Result<Hrana> {
        Ok(Hrana::to(&self.endpoint)?.token(&self.token))
    }

    /// A client for its database.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn client(&self) -> Result<Client> {
        Ok(Client::server(self.hrana()?, self.endpoint.clone()))
    }

    /// Opens the embedded replica of this server's database.
    ///
    /// # Errors
    /// Exit 2 when its folder cannot be written, 1 when another command is using it.
    pub async fn replica(self, settings: &Settings) -> Result<Replica> {
        let anonymous = Hrana::to(&self.endpoint)?;
        let namespace = self.endpoint.namespace().cloned();
        let hrana = anonymous.clone().token(&self.token);
        let source = Source { endpoint: self.endpoint, token: self.token, hrana, anonymous };
        let folder = Local::new(settings.local_dir()).embedded_dir();
        Replica::open(&folder, namespace.as_ref(), source).await
    }
}

/// How stale the data of an embedded replica may be.
pub fn freshness(args: &TargetArgs) -> Freshness {
    match args.sync_interval {
        _ if args.offline => Freshness::Offline,
        _ if args.wait => Freshness::Demanded,
        Some(interval) if !interval.is_zero() => Freshness::Within(interval),
        _ => Freshness::Latest,
    }
}

fn check_options(args: &TargetArgs) -> Result<()> {
    let embedded = args.target() == Target::Embedded;
    if args.url.is_some() && args.target.is_some() && !embedded {
        return Err(Fault::input("--target and --url name different servers")
            .hint("leave one of them out")
            .into());
    }
    let (option, given) = match (args.offline, args.sync_interval) {
        (true, _) => ("--offline", true),
        (false, interval) => ("--sync-interval", interval.is_some()),
    };
    if given && !embedded {
        return Err(Fault::input(format!("{option} is for embedded replicas only"))
            .hint("add --target embedded")
            .into());
    }
    Ok(())
}

/// The address of a server of the standing stack: from the port that was set, else as recorded at
/// the start, else the default.
pub fn address(settings: &Settings, standing: Option<&Standing>, target: Target) -> SocketAddr {
    let (service, variable, port) = match target {
        Target::Primary | Target::Embedded => {
            ("primary", env_vars::PRIMARY_HTTP_PORT, settings.ports.primary_http)
        }
        Target::Replica => ("replica", env_vars::REPLICA_HTTP_PORT, settings.ports.replica_http),
    };
    let recorded = standing.and_then(|standing| standing.services.get(service)?.http);
    match recorded {
        Some(address) if !settings.is_set(variable) => address,
        _ => SocketAddr::from(([127, 0, 0, 1], port)),
    }
}

/// A server without namespaces silently maps every name to its only database; one with namespaces
/// has no default namespace here.
fn check_namespace(standing: Option<&Standing>, name: Option<&NamespaceName>) -> Result<()> {
    let Some(standing) = standing else {
        return Ok(());
    };
    match (standing.variants.namespaced, name) {
        (true, None) => Err(Fault::input("this stack has namespaces, but no default namespace")
            .hint("name one with --namespace; `demo namespace create NAME` makes one")
            .into()),
        (false, Some(name)) => Err(Fault::input(format!(
            "this stack runs without namespaces, so there is no `{name}`"
        ))
        .hint("run `demo down`, then `demo up --variant namespaced`")
        .into()),
        _ => Ok(()),
    }
}

async fn wait(settings: &Settings, args: &TargetArgs, token: &SecretString) -> Result<()> {
    if args.url.is_some() {
        return Err(Fault::input(
            "--wait needs a primary to compare with, but --url names a single server",
        )
        .hint("use --target replica --wait on the standing stack")
        .into());
    }
    if args.target() != Target::Replica {
        return Ok(());
    }
    let standing = Local::new(settings.local_dir()).standing()?;
    let http = loopback_client()?;
    let hrana = |target| {
        Hrana::new(http.clone(), address(settings, standing.as_ref(), target))
            .namespace(args.namespace.as_ref())
            .token(token)
    };
    catch_up(&hrana(Target::Primary), &hrana(Target::Replica)).await?;
    Ok(())
}

fn token_for(settings: &Settings, args: &TargetArgs) -> Result<SecretString> {
    let (token, place) = match (&args.token, &args.token_path, &settings.token) {
        (Some(token), _, _) => (token.clone().into(), "--token".to_owned()),
        (None, Some(_), _) if args.token_on_stdin() => (from_stdin()?, "stdin".to_owned()),
        (None, Some(path), _) => from_file(path)?,
        (None, None, Some(token)) => (token.clone(), env_vars::DEMO_TOKEN.to_owned()),
        (None, None, None) => from_file(&settings.token_path)?,
    };
    check_expiry(&token, &place)?;
    Ok(token)
}

/// The token of the environment or of the token file.
///
/// # Errors
/// The token of the environment, else of the token file.
pub fn own_token(settings: &Settings) -> Result<SecretString> {
    match &settings.token {
        Some(token) => Ok(token.clone()),
        None => Ok(from_file(&settings.token_path)?.0),
    }
}

/// Reads the token from stdin.
///
/// # Errors
/// Exit 2 when stdin has no token.
pub fn from_stdin() -> Result<SecretString> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Fault::input("the token on stdin is not valid UTF-8").because(error))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Fault::input("there is no token on stdin")
            .hint("make one with `demo token mint`")
            .into());
    }
    Ok(token.into())
}

/// Stdin can be read only once, so a command that takes `what` from stdin cannot take its token
/// from there as well.
///
/// # Errors
/// Exit 2 when both are asked for.
pub fn refuse_stdin_twice(args: &TargetArgs, what: &str) -> Result<()> {
    if !args.token_on_stdin() {
        return Ok(());
    }
    Err(Fault::input(format!("both the token and {what} would be read from stdin"))
        .hint("put the token into a file, or into DEMO_TOKEN")
        .into())
}

fn from_file(path: &Path) -> Result<(SecretString, String)> {
    let text = files::read_text(path, "token file").map_err(|error| match error {
        demo_base::Error::Missing { .. } => Fault::not_found(error.to_string())
            .hint("run `demo setup` to make it, or pass --token-path")
            .into(),
        other => anyhow::Error::from(other),
    })?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Fault::input(format!("there is no token in {}", path.display()))
            .hint("run `demo setup --force` to replace the keys and the token, or make a token with `demo token mint`")
            .into());
    }
    Ok((token.into(), path.display().to_string()))
}

/// The server would only answer 401, without the reason.
fn check_expiry(token: &SecretString, place: &str) -> Result<()> {
    let Some(end) = token::expiry(token.expose_secret()) else {
        return Ok(());
    };
    let now = Timestamp::now();
    if end.as_second() + LEEWAY > now.as_second() {
        return Ok(());
    }
    let ago = demo_sqld::moment::relative(end, now);
    Err(Fault::rejected(format!("the token in {place} expired {ago}"))
        .hint("run `demo setup` to make a new one")
        .into())
}
