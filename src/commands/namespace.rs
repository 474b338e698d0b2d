//! `namespace create|delete|fork|config|stats`.

use std::net::SocketAddr;

use serde_json::{Map, Value, json};

use crate::cli::OutputFormat;
use crate::cli::namespace::{ConfigArgs, NamespaceCommand};
use crate::env_vars;
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::http::loopback_client;
use demo_stack::state::{Local, Standing};

pub async fn run(settings: &Settings, command: NamespaceCommand, output: &Output) -> Result<()> {
    let standing = Local::new(settings.local_dir()).standing()?;
    refuse_without_namespaces(standing.as_ref())?;
    let address = address(settings, standing.as_ref());
    let admin = Admin::new(loopback_client()?, address, Some(&settings.admin_key));
    match command {
        NamespaceCommand::Create(args) => {
            let made = admin.create(&args.name).await?;
            if !made && !args.if_not_exists {
                return Err(Fault::failed(format!("the namespace `{}` exists already", args.name))
                    .hint("with --if-not-exists that is not an error")
                    .into());
            }
            let word = if made { "created" } else { "exists already" };
            said(output, &format!("namespace `{}` {word}", args.name), json!({ "created": made }))
        }
        NamespaceCommand::Delete(args) => {
            admin.delete(&args.name).await?;
            // Measured: the replica retries in a loop and goes on answering.
            output.note(format!(
                "note      a replica that had it serves the old data until it restarts; \
                 `demo tenant drop {} --yes` restarts the replica",
                args.name
            ));
            said(output, &format!("namespace `{}` deleted", args.name), json!({ "deleted": true }))
        }
        NamespaceCommand::Fork(args) => {
            admin.fork(&args.name, &args.to).await?;
            let text = format!("namespace `{}` copied to `{}`", args.name, args.to);
            said(output, &text, json!({ "forked": true }))
        }
        NamespaceCommand::Config(args) => {
            let changes = changes(&args);
            let config = if changes.is_empty() {
                admin.config(&args.name).await?
            } else {
                admin.configure(&args.name, changes).await?
            };
            fields(output, &config)
        }
        NamespaceCommand::Stats(args) => fields(output, &admin.stats(&args.name).await?),
    }
}

/// Without namespaces the server answers 200 to every name, and no client can ever reach it.
pub(super) fn refuse_without_namespaces(standing: Option<&Standing>) -> Result<()> {
    match standing {
        Some(standing) if !standing.variants.namespaced => {
            Err(Fault::input("this stack runs without namespaces")
                .hint("`demo down`, then `demo up --variant namespaced`")
                .into())
        }
        _ => Ok(()),
    }
}

/// Where the Admin API of the standing stack listens.
pub(super) fn address(settings: &Settings, standing: Option<&Standing>) -> SocketAddr {
    let recorded = standing.and_then(|standing| standing.services.get("primary")?.admin);
    match recorded {
        Some(address) if !settings.is_set(env_vars::PRIMARY_ADMIN_PORT) => address,
        _ => SocketAddr::from(([127, 0, 0, 1], settings.ports.primary_admin)),
    }
}

fn changes(args: &ConfigArgs) -> Map<String, Value> {
    let given = [
        ("block_reads", args.block_reads.map(Value::from)),
        ("block_writes", args.block_writes.map(Value::from)),
        ("block_reason", args.block_reason.clone().map(Value::from)),
        ("allow_attach", args.allow_attach.map(Value::from)),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn said(output: &Output, text: &str, json: Value) -> Result<()> {
    if output.format() == OutputFormat::Json {
        return output.json(&json);
    }
    output.note(text);
    Ok(())
}

fn fields(output: &Output, fields: &Map<String, Value>) -> Result<()> {
    if output.format() == OutputFormat::Json {
        return output.json(fields);
    }
    let width = fields.keys().map(String::len).max().unwrap_or_default();
    for (name, value) in fields {
        output.line(format!("{name:width$}  {value}"))?;
    }
    Ok(())
}
