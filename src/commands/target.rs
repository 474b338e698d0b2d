//! Which server a data command talks to, and with which token.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use crate::cli::data::{Target, TargetArgs};
use crate::env_vars;
use crate::settings::Settings;
use demo_base::error::{Fault, Result};
use demo_base::files;
use demo_sqld::namespace::NamespaceName;
use demo_sqld::token;
use demo_sqld_client::embedded::{Freshness, Replica, Source};
use demo_sqld_client::endpoint::{Dial, Endpoint};
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::{loopback_client, remote_client};
use demo_sqld_client::replication::catch_up;
use demo_stack::state::{Local, Standing};

/// The server takes a token for this long after its end, in seconds.
const LEEWAY: i64 = 60;

/// A server, a namespace and a token, as the options name them.
pub struct TargetServer {
    pub endpoint: Endpoint,
    pub token: SecretString,
}

/// What the options name; with `--wait`, once the replica is there.
///
/// # Errors
/// Exit 2 for options that do not go together, 3 when nothing answers, 4 for a
/// token that has expired, 5 for a token file that is not there.
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
    /// Hrana itself.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    pub fn hrana(&self) -> Result<Hrana> {
        Ok(self.anonymous()?.token(&self.token))
    }

    /// The same without the token.
    ///
    /// # Errors
    /// When the TLS backend cannot be set up.
    fn anonymous(&self) -> Result<Hrana> {
        Ok(match self.endpoint.dial() {
            Dial::Address(address) if !self.endpoint.tls() => {
                Hrana::new(loopback_client()?, *address).namespace(self.endpoint.namespace())
            }
            _ => Hrana::at(remote_client()?, &self.endpoint.url()),
        })
    }

    /// The embedded replica of this server's database.
    ///
    /// # Errors
    /// Exit 2 when its folder cannot be written, 1 when another command keeps it.
    pub async fn replica(self, settings: &Settings) -> Result<Replica> {
        let anonymous = self.anonymous()?;
        let namespace = self.endpoint.namespace().cloned();
        let hrana = anonymous.clone().token(&self.token);
        let source = Source { endpoint: self.endpoint, token: self.token, hrana, anonymous };
        let folder = Local::new(settings.local_dir()).embedded_dir();
        Replica::open(&folder, namespace.as_ref(), source).await
    }
}

/// How old what an embedded replica shows may be.
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
        return Err(Fault::input("--target names a server of the stack, and --url another one")
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

/// Where a server of the standing stack listens: a port that was set, else the
/// one that was recorded when it started, else the default.
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

/// A server without namespaces takes every name for its one database, and says
/// nothing; one with them has no default here.
fn check_namespace(standing: Option<&Standing>, name: Option<&NamespaceName>) -> Result<()> {
    let Some(standing) = standing else {
        return Ok(());
    };
    match (standing.variants.namespaced, name) {
        (true, None) => Err(Fault::input("this stack has namespaces and no default one")
            .hint("name one with --namespace; `demo namespace create NAME` makes one")
            .into()),
        (false, Some(name)) => Err(Fault::input(format!(
            "this stack runs without namespaces, so there is no `{name}`"
        ))
        .hint("`demo down`, then `demo up --variant namespaced`")
        .into()),
        _ => Ok(()),
    }
}

async fn wait(settings: &Settings, args: &TargetArgs, token: &SecretString) -> Result<()> {
    if args.url.is_some() {
        return Err(Fault::input(
            "--wait needs to know the primary, and --url names one server only",
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
/// Exit 5 when there is none.
pub fn own_token(settings: &Settings) -> Result<SecretString> {
    match &settings.token {
        Some(token) => Ok(token.clone()),
        None => Ok(from_file(&settings.token_path)?.0),
    }
}

/// The token that stdin has.
///
/// # Errors
/// Exit 2 when it has none.
pub fn from_stdin() -> Result<SecretString> {
    let mut text = Zeroizing::new(String::new());
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| Fault::input("the token on stdin is no UTF-8 text").because(error))?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Fault::input("there is no token on stdin")
            .hint("`demo token mint` prints a token")
            .into());
    }
    Ok(token.into())
}

/// Stdin is read once: a command that takes `what` from there cannot have its
/// token there too.
///
/// # Errors
/// Exit 2 when both are asked for.
pub fn refuse_stdin_twice(args: &TargetArgs, what: &str) -> Result<()> {
    if !args.token_on_stdin() {
        return Ok(());
    }
    Err(Fault::input(format!("both the token and {what} are to come from stdin"))
        .hint("put the token into a file, or into DEMO_TOKEN")
        .into())
}

fn from_file(path: &Path) -> Result<(SecretString, String)> {
    let text =
        files::read_text(path, "token file").map_err(|error| match error.downcast::<Fault>() {
            Ok(fault) => fault.hint("`demo setup` makes it, or pass --token-path").into(),
            Err(error) => error,
        })?;
    let token = text.trim();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(Fault::input(format!("there is no token in {}", path.display()))
            .hint("`demo setup --force` makes everything anew; `demo token mint` prints a token")
            .into());
    }
    Ok((token.into(), path.display().to_string()))
}

/// The server would say 401, and not why.
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
        .hint("`demo setup` makes a new one")
        .into())
}
