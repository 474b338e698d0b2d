//! `logs`.

use futures::StreamExt;
use futures::stream::{self, SelectAll};

use super::Stack;
use crate::cli::stack::LogsArgs;
use crate::commands::signals::interrupted;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;

/// Prints the logs of the servers; with several, each line begins with the name of its service.
pub async fn run(settings: &Settings, args: &LogsArgs, output: &Output) -> Result<()> {
    let stack = Stack::open(settings, output).await?;
    let services = stack.services(args.service.as_deref())?;
    let prefix = |service: &str, line: &str| {
        if services.len() == 1 { line.to_owned() } else { format!("{service:<9} {line}") }
    };
    let mut following = SelectAll::new();
    for service in &services {
        if args.follow {
            let named = stream::repeat(service.as_str());
            following.push(named.zip(stack.engine.follow(service)).boxed_local());
        }
        let text = stack.engine.logs(service, args.tail).await?;
        let lines: Vec<String> = text.lines().map(|line| prefix(service, line)).collect();
        output.line(lines.join("\n"))?;
    }
    if !args.follow {
        return Ok(());
    }
    let print = async {
        while let Some((service, line)) = following.next().await {
            output.line(prefix(service, &line?))?;
        }
        Ok(())
    };
    tokio::select! {
        outcome = print => outcome,
        signal = interrupted() => signal.and_then(|()| Err(demo_base::Error::Interrupted.into())),
    }
}
