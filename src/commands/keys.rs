//! `keys generate|show|rotate|prune`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::setup::{store, tell};
use super::stack;
use crate::cli::OutputFormat;
use crate::cli::credentials::{KeysCommand, PruneArgs, RotateArgs};
use crate::cli::stack::RestartArgs;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::keys::PublicKey;
use demo_sqld::moment;
use demo_stack::credentials::store::retired::Until;
use demo_stack::credentials::store::rotation::{KeyState, TrustedKey};

/// The command that makes running servers read their keys again.
const RESTART: &str = "demo restart";

pub async fn run(settings: &Settings, command: &KeysCommand, output: &Output) -> Result<()> {
    match command {
        KeysCommand::Generate(args) => tell(&store(settings).ensure_keys(args.force)?, output),
        KeysCommand::Show => show(&store(settings).trusted_keys()?, output),
        KeysCommand::Rotate(args) if args.stage => stage(settings, output),
        KeysCommand::Rotate(args) => rotate(settings, args, output).await,
        KeysCommand::Prune(args) => prune(settings, args, output),
    }
}

fn show(keys: &[TrustedKey], output: &Output) -> Result<()> {
    if output.format() == OutputFormat::Json {
        let list: Vec<Value> = keys.iter().map(as_json).collect();
        return output.json(&list);
    }
    let now = Timestamp::now();
    for trusted in keys {
        let (thumbprint, pem) = (trusted.key.thumbprint(), trusted.key.to_pem());
        output.line(format!("thumbprint {thumbprint}\n{}\n{pem}", describe(trusted, now)))?;
    }
    Ok(())
}

fn as_json(trusted: &TrustedKey) -> Value {
    let thumbprint = trusted.key.thumbprint();
    json!({
        "thumbprint": thumbprint,
        "kid": thumbprint,
        "state": trusted.state,
        "retiredAt": trusted.retired_at,
        "tokensUntil": trusted.tokens_until,
        "pem": trusted.key.to_pem(),
    })
}

fn describe(trusted: &TrustedKey, now: Timestamp) -> String {
    match (trusted.state, trusted.retired_at, trusted.tokens_until) {
        (KeyState::Active, ..) => "state      active: it signs the tokens".to_owned(),
        (KeyState::Staged, ..) => "state      staged: it signs after `demo keys rotate`".to_owned(),
        (KeyState::Old, Some(since), Some(Until::Moment(end))) => {
            let when = moment::relative(since, now);
            let verb = if end > now { "expires" } else { "expired" };
            let end = moment::relative(end, now);
            format!("state      old: signed until {when}; its last token {verb} at {end}")
        }
        (KeyState::Old, Some(since), _) => {
            let when = moment::relative(since, now);
            format!("state      old: signed until {when}; it has signed a token that never expires")
        }
        (KeyState::Old, None, _) => {
            "state      old: `demo` has not recorded its tokens; `keys prune` keeps it".to_owned()
        }
    }
}

fn stage(settings: &Settings, output: &Output) -> Result<()> {
    let (key, changed) = store(settings).stage_key()?;
    let thumbprint = key.thumbprint();
    if output.format() == OutputFormat::Json {
        let next = [RESTART, "demo keys rotate"];
        return output.json(&json!({ "kid": thumbprint, "staged": changed, "next": next }));
    }
    let word = if changed { "published" } else { "published already" };
    output.line(format!("next key   {thumbprint}  {word}"))?;
    output.note(format!(
        "next       `{RESTART}`, so that the servers trust it; then `demo keys rotate`"
    ));
    Ok(())
}

async fn rotate(settings: &Settings, args: &RotateArgs, output: &Output) -> Result<()> {
    let store = store(settings);
    if args.restart {
        store.stage_key()?;
        stack::restart::run(settings, &RestartArgs { service: None }, output).await?;
    }
    let old = store.signing_key()?.public().thumbprint();
    let changes = store.activate_key(Timestamp::now(), args.keep_old)?;
    let new = store.signing_key()?.public().thumbprint();
    if output.format() == OutputFormat::Json {
        let next = if args.restart { json!([]) } else { json!([RESTART]) };
        let (old, new) = (json!(old), json!(new));
        return output.json(&json!({ "kid": new, "old": old, "changes": changes, "next": next }));
    }
    output.line(format!("active key {new}"))?;
    output.line(format!("old key    {old}: its tokens go on working"))?;
    for change in &changes {
        output.detail(change);
    }
    if !args.restart {
        output.note(format!(
            "note       servers that started before the key was published refuse its tokens, \
             including the project's own token: run `{RESTART}` now"
        ));
    }
    output.note("note       a running mint or gate reads its keys again by itself");
    output.note("note       once the old tokens have expired, run `demo keys prune`");
    Ok(())
}

fn prune(settings: &Settings, args: &PruneArgs, output: &Output) -> Result<()> {
    let store = store(settings);
    let dropped = store.prune_keys(Timestamp::now(), &args.key)?;
    if output.format() == OutputFormat::Json {
        let kids: Vec<String> = dropped.iter().map(PublicKey::thumbprint).collect();
        let next = if kids.is_empty() { json!([]) } else { json!([RESTART]) };
        return output.json(&json!({ "dropped": kids, "next": next }));
    }
    for key in &dropped {
        output.line(format!("dropped    {}", key.thumbprint()))?;
    }
    if dropped.is_empty() {
        output.note("every old key may still have valid tokens; nothing changed");
    } else {
        output.note("note       a running gate refuses its tokens within two seconds");
        output.note(format!("note       running servers trust it until you run `{RESTART}`"));
    }
    let now = Timestamp::now();
    for left in store.trusted_keys()?.iter().filter(|trusted| trusted.state == KeyState::Old) {
        output.note(format!(
            "kept       {}  {}",
            left.key.thumbprint(),
            &describe(left, now)[11..]
        ));
    }
    Ok(())
}
