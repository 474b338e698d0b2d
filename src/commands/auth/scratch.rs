//! Where the bench writes on the standing stack: into a namespace of its own, which is deleted at
//! the end. In a stack without namespaces it uses the login tables of the only database, and drops
//! them at the end unless they existed before.

use std::time::Duration;

use crate::cli::data::Target;
use crate::commands::{namespace, target, token};
use crate::fault::Fault;
use crate::settings::Settings;
use demo_base::error::{Result, find, joined};
use demo_base::random;
use demo_login::config::{Backend, Libsql};
use demo_login::migrate;
use demo_sqld::claims::{Access, Grant};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::Error;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::{Hrana, Reply};
use demo_sqld_client::http::loopback_client;
use demo_stack::state::Local;

/// Lifetime of the token that the bench uses; no bench runs as long.
const LIFETIME: Duration = Duration::from_hours(12);

/// A database of the standing stack, and how to restore it.
pub struct Scratch {
    endpoint: Endpoint,
    libsql: Libsql,
    undo: Undo,
}

enum Undo {
    Namespace(Admin, NamespaceName),
    Tables(Hrana),
    /// Login tables exist and belong to somebody; the bench removes only its own rows.
    Nothing,
}

impl Scratch {
    /// Makes the namespace, or looks at the only database.
    ///
    /// # Errors
    /// Exit 3 when the stack does not answer, 4 when it refuses the token, 5 when the project has
    /// no keys.
    pub async fn make(settings: &Settings) -> Result<Self> {
        Self::attempt(settings).await.map_err(|error| match find::<Error>(&error) {
            Some(away) if away.is_away() => Fault::unreachable(joined(away))
                .hint("start a stack with `demo up`, or name a configuration file with -c")
                .into(),
            _ => error,
        })
    }

    async fn attempt(settings: &Settings) -> Result<Self> {
        let standing = Local::new(settings.local_dir()).standing()?;
        let namespaced = standing.as_ref().is_some_and(|standing| standing.variants.namespaced);
        let name = namespaced.then(random_name).transpose()?;
        let grant = Grant {
            access: Access::ReadWrite,
            namespaces: name.iter().cloned().collect(),
            lifetime: Some(LIFETIME),
            ..Grant::default()
        };
        let (token, _) = token::sign(settings, &grant)?;
        let address = target::address(settings, standing.as_ref(), Target::Primary);
        let endpoint = Endpoint::local(address, name.as_ref());
        let undo = if let Some(name) = name {
            let admin = namespace::address(settings, standing.as_ref());
            let admin = Admin::new(loopback_client()?, admin, Some(&settings.admin_key));
            admin.create(&name).await?;
            Undo::Namespace(admin, name)
        } else {
            let hrana = Hrana::new(loopback_client()?, address).token(&token);
            let tables = "SELECT count(*) FROM sqlite_master WHERE name = 'auth_schema'";
            let reply = hrana.execute(tables).await?;
            match reply.scalar() {
                Some("0") => Undo::Tables(hrana),
                Some(_) => Undo::Nothing,
                None => return Err(refused(&endpoint, &reply).into()),
            }
        };
        let libsql = Libsql { url: endpoint.url().into(), token: Some(token), replica: None };
        Ok(Self { endpoint, libsql, undo })
    }

    /// What is to be measured.
    pub fn backend(&self) -> Backend {
        Backend::Libsql(self.libsql.clone())
    }

    /// Which database is used, and what happens to it, in words for a person.
    pub fn describe(&self) -> String {
        let server = self.endpoint.describe();
        match &self.undo {
            Undo::Namespace(_, name) => {
                format!("namespace `{name}` of {server}, deleted at the end")
            }
            Undo::Tables(_) => format!("tables in {server}, dropped at the end"),
            Undo::Nothing => format!("the login tables of {server}, which existed before"),
        }
    }

    /// Restores the database.
    ///
    /// # Errors
    /// Exit 3 or 1, naming what is left.
    pub async fn remove(self) -> Result<()> {
        match &self.undo {
            Undo::Nothing => Ok(()),
            Undo::Namespace(admin, name) => admin.delete(name).await.map_err(|error| {
                let hint = format!("`demo tenant drop {name} --yes` removes it");
                Fault::failed(format!("the namespace `{name}` could not be deleted"))
                    .because(format!("{error:#}"))
                    .hint(hint)
                    .into()
            }),
            Undo::Tables(hrana) => {
                let reply = hrana.script(migrate::UNDO).await?;
                if reply.is_done() {
                    return Ok(());
                }
                // Most likely an instance of `auth serve` has begun to use the tables.
                Err(Fault::failed(format!("login tables are left in {}", self.endpoint.describe()))
                    .because(reply.describe())
                    .hint("if no `demo auth serve` uses them, drop them with `demo sql`")
                    .into())
            }
        }
    }
}

fn refused(endpoint: &Endpoint, reply: &Reply) -> Fault {
    let server = endpoint.describe();
    let fault = match reply.status {
        401 | 403 => Fault::rejected(format!("{server} refused the project's own token"))
            .hint("run `demo restart`, so that the servers read the keys again"),
        _ => Fault::failed(format!("{server} gave an unexpected answer"))
            .hint("run `demo status` to see what runs there"),
    };
    fault.because(reply.describe())
}

fn random_name() -> Result<NamespaceName> {
    Ok(format!("bench-{}", random::name()?).parse()?)
}
