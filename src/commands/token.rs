//! `token mint`, `token inspect`.

use std::io::Read;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::target;
use crate::cli::OutputFormat;
use crate::cli::credentials::{MintArgs, TokenCommand, Ttl};
use crate::exit_code::ExitCode;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::claims::{Claims, Grant};
use demo_sqld::token;
use demo_stack::credentials::store::Store;

pub fn run(settings: &Settings, command: TokenCommand, output: &Output) -> Result<ExitCode> {
    match command {
        TokenCommand::Mint(args) => mint(settings, args, output),
        TokenCommand::Inspect { token } => inspect(settings, token.as_deref(), output),
    }
}

fn mint(settings: &Settings, args: MintArgs, output: &Output) -> Result<ExitCode> {
    let grant = Grant {
        access: args.access,
        namespaces: args.namespace,
        read_namespaces: args.read_namespace,
        attach_namespaces: args.attach_namespace,
        lifetime: match args.ttl {
            Ttl::For(life) => Some(life),
            Ttl::Never => None,
        },
        subject: args.subject,
        not_before: args.not_before,
    };
    let (token, claims) = sign(settings, &grant)?;
    if output.format() == OutputFormat::Json {
        output.json(&serde_json::json!({ "token": token.expose_secret(), "claims": claims }))?;
    } else {
        output.line(token.expose_secret())?;
    }
    Ok(ExitCode::Success)
}

/// Signs the claims of `grant` with the active key, and records a long lifetime for `keys prune`.
///
/// # Errors
/// Exit 5 without a key, exit 2 for a damaged one.
pub fn sign(settings: &Settings, grant: &Grant) -> Result<(SecretString, Claims)> {
    let store = Store::new(settings.local_dir());
    let (key, now) = (store.signing_key()?, Timestamp::now());
    store.note_token(&key.public(), now, grant.lifetime)?;
    let claims = grant.claims(now);
    Ok((token::mint(&key, &claims)?, claims))
}

fn inspect(settings: &Settings, given: Option<&str>, output: &Output) -> Result<ExitCode> {
    let text = match given {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| Fault::input("stdin cannot be read").because(error))?;
            text
        }
        Some(token) => token.to_owned(),
        None => target::own_token(settings)?.expose_secret().to_owned(),
    };
    let keys = Store::new(settings.local_dir()).key_set()?;
    let inspection = token::inspect(text.trim(), &keys, Timestamp::now())?;
    output.result(&inspection)?;
    Ok(if inspection.accepted { ExitCode::Success } else { ExitCode::Rejected })
}
