//! `tenant create|token|list|drop`.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::stack::Stack;
use super::{namespace, setup, target, token};
use crate::cli::OutputFormat;
use crate::cli::credentials::Ttl;
use crate::cli::data::Target;
use crate::cli::tenant::{CreateArgs, DropArgs, TenantCommand, TokenArgs};
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::claims::{Access, Grant};
use demo_sqld::namespace::NamespaceName;
use demo_sqld_client::admin::Admin;
use demo_sqld_client::endpoint::Endpoint;
use demo_sqld_client::hrana::Hrana;
use demo_sqld_client::http::loopback_client;
use demo_sqld_client::schema::{Applied, Schema};
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::{Blueprint, Variants};
use demo_stack::state::{Local, Standing};
use demo_tenant::create::Creation;
use demo_tenant::list::{self, State};
use demo_tenant::registry::Registry;
use demo_tenant::removal::{Removal, Removed};

/// Lifetime of the token with which the schema is applied.
const MOMENT: Duration = Duration::from_mins(1);

pub async fn run(settings: &Settings, command: TenantCommand, output: &Output) -> Result<()> {
    let site = Site::open(settings)?;
    match command {
        TenantCommand::Create(args) => create(&site, &args, output).await,
        TenantCommand::Token(args) => print_token(&site, args, output).await,
        TenantCommand::List => list(&site, output).await,
        TenantCommand::Drop(args) => drop_one(&site, &args, output).await,
    }
}

/// The servers on which the tenants live.
struct Site<'a> {
    settings: &'a Settings,
    local: Local,
    standing: Option<Standing>,
    admin: Admin,
    http: reqwest::Client,
    registry: Registry,
}

impl<'a> Site<'a> {
    fn open(settings: &'a Settings) -> Result<Self> {
        let local = Local::new(settings.local_dir());
        let standing = local.standing()?;
        namespace::refuse_without_namespaces(standing.as_ref())?;
        let http = loopback_client()?;
        let address = namespace::address(settings, standing.as_ref());
        let admin = Admin::new(http.clone(), address, Some(&settings.admin_key));
        let registry = Registry::new(&local);
        Ok(Self { settings, local, standing, admin, http, registry })
    }

    fn endpoint(&self, target: Target, name: &NamespaceName) -> Endpoint {
        let address = target::address(self.settings, self.standing.as_ref(), target);
        Endpoint::local(address, Some(name))
    }

    /// The plan of the services that were started, else of all services.
    fn plan(&self) -> Result<StackPlan> {
        let variants = self.standing.as_ref().map_or(Variants::NAMESPACED, |s| s.variants);
        let variables = setup::with_admin_key(self.settings)?;
        let blueprint = Blueprint::new(&self.settings.project_dir, &variables);
        let mut plan = blueprint.standing(variants)?;
        if let Some(standing) = &self.standing {
            plan.services.retain(|service| standing.services.contains_key(&service.name));
        }
        Ok(plan)
    }

    /// Removes `name` from every server of the standing stack.
    async fn remove(&self, name: &NamespaceName, output: &Output) -> Result<Removed> {
        let stack = Stack::open(self.settings, output).await?;
        let plan = self.plan()?;
        let removal = Removal {
            registry: &self.registry,
            admin: &self.admin,
            http: &self.http,
            engine: stack.engine.as_ref(),
            plan: &plan,
            name,
        };
        removal.run().await
    }

    fn token(
        &self,
        name: &NamespaceName,
        access: Access,
        ttl: Option<Duration>,
    ) -> Result<SecretString> {
        let namespaces = vec![name.clone()];
        let grant = Grant { access, namespaces, lifetime: ttl, ..Grant::default() };
        Ok(token::sign(self.settings, &grant)?.0)
    }
}

async fn create(site: &Site<'_>, args: &CreateArgs, output: &Output) -> Result<()> {
    let name = &args.name;
    let schema = args.schema.as_deref().map(Schema::read).transpose()?;
    let _lock = site.local.lock().await?;
    let plan = site.plan()?;
    let creation = Creation {
        registry: &site.registry,
        admin: &site.admin,
        plan: &plan,
        name,
        if_missing: args.if_missing,
    };
    let endpoint = site.endpoint(Target::Primary, name);
    let token = site.token(name, Access::ReadWrite, Some(MOMENT))?;
    let made = creation.make().await?;
    let applied = match &schema {
        None => None,
        Some(schema) => {
            let address = target::address(site.settings, site.standing.as_ref(), Target::Primary);
            let hrana = Hrana::new(site.http.clone(), address).namespace(Some(name)).token(&token);
            match schema.apply(&hrana, &endpoint).await {
                Ok(applied) => Some(applied),
                Err(error) => return Err(not_applied(site, name, made, error, output).await),
            }
        }
    };
    let (url, replica) = (endpoint.url(), site.endpoint(Target::Replica, name).url());
    let how = format!("demo tenant token {name}");
    if output.format() == OutputFormat::Json {
        return output.json(&json!({
            "tenant": name, "created": made, "schema": applied,
            "url": url, "replicaUrl": replica, "token": how,
        }));
    }
    output.note(format!("tenant    `{name}` {}", if made { "created" } else { "exists already" }));
    if let Some(applied) = applied {
        let word = match applied {
            Applied::Now => "applied",
            Applied::Before => "was applied before",
        };
        output.note(format!("schema    {word}"));
    }
    output.line(url)?;
    output.note(format!("replica   {replica}"));
    output.note(format!("token     {how}"));
    Ok(())
}

/// The error of a schema that was not applied, with the state of the tenant. One that was just
/// `made` is removed; one that existed before has not changed.
async fn not_applied(
    site: &Site<'_>,
    name: &NamespaceName,
    made: bool,
    error: demo_sqld_client::Error,
    output: &Output,
) -> anyhow::Error {
    let fate = if !made {
        format!("`{name}` has not changed")
    } else if let Err(trouble) = site.remove(name, output).await {
        format!("an empty tenant `{name}` remains ({trouble}): run `demo tenant drop {name} --yes`")
    } else {
        format!("there is no tenant `{name}`")
    };
    anyhow::Error::from(error).context(format!("the schema was not applied, and {fate}"))
}

async fn print_token(site: &Site<'_>, args: TokenArgs, output: &Output) -> Result<()> {
    let name = &args.name;
    match site.admin.exists(name).await {
        Ok(true) => {}
        Ok(false) => {
            return Err(Fault::not_found(format!("there is no tenant `{name}`"))
                .hint(format!("make it with `demo tenant create {name}`"))
                .into());
        }
        // A token can be made without a server; only the check of the name needs one.
        Err(error) if error.is_away() => {
            output.note(format!("note      cannot check whether `{name}` exists: {error}"));
        }
        Err(error) => return Err(error.into()),
    }
    let access = args.access;
    let ttl = match args.ttl {
        Ttl::For(life) => Some(life),
        Ttl::Never => None,
    };
    let token = site.token(name, access, ttl)?;
    if output.format() == OutputFormat::Json {
        let url = site.endpoint(Target::Primary, name).url();
        let token = token.expose_secret();
        return output.json(&json!({ "token": token, "tenant": name, "url": url }));
    }
    output.line(token.expose_secret())
}

async fn list(site: &Site<'_>, output: &Output) -> Result<()> {
    let tenants = list::collect(&site.admin, &site.registry.load()?, &site.plan()?).await?;
    if output.format() == OutputFormat::Json {
        return output.json(&tenants);
    }
    for tenant in &tenants {
        output.line(tenant)?;
    }
    if tenants.is_empty() {
        output.note("no tenants; `demo tenant create NAME` makes one");
        return Ok(());
    }
    output.note(
        "note      the server has no list of namespaces: the names come from what demo made, its \
         data folders and its metrics; the Admin API says which of them exist",
    );
    for tenant in tenants.iter().filter(|tenant| tenant.state == State::Remains) {
        let name = &tenant.name;
        output.note(format!("note      `demo tenant drop {name} --yes` finishes the removal"));
    }
    Ok(())
}

async fn drop_one(site: &Site<'_>, args: &DropArgs, output: &Output) -> Result<()> {
    let name = &args.name;
    if !args.yes {
        confirm(name, output)?;
    }
    let _lock = site.local.lock().await?;
    let spinner = output.spinner_quiet(&format!("dropping {name}"));
    let removed = site.remove(name, output).await?;
    drop(spinner);
    if output.format() == OutputFormat::Json {
        return output.json(&json!({ "tenant": name, "removed": removed }));
    }
    let word =
        if removed.deleted { "deleted" } else { "was gone already; its remains are removed" };
    output.note(format!("tenant    `{name}` {word}"));
    for service in &removed.restarted {
        output.note(format!("{service:<9} restarted without it"));
    }
    for replica in &removed.checked {
        output.note(format!("{replica:<9} answers 404, logs no errors, and its files are gone"));
    }
    output.note(format!(
        "note      tokens for `{name}` that are still valid would open a new tenant of that name; \
         copies elsewhere, such as embedded replicas, are not removed"
    ));
    Ok(())
}

/// A person has to type the name; without a terminal `--yes` is required.
fn confirm(name: &NamespaceName, output: &Output) -> Result<()> {
    let not_meant = |text: &str| {
        let hint = format!("run `demo tenant drop {name} --yes` to drop it without confirmation");
        Fault::input(text.to_owned()).hint(hint)
    };
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(not_meant("dropping a tenant deletes its data, so it must be confirmed").into());
    }
    output.note(format!("This deletes all data of `{name}`. Type its name to confirm:"));
    let mut line = String::new();
    stdin.lock().read_line(&mut line).map_err(|e| not_meant("stdin cannot be read").because(e))?;
    if line.trim() == name.as_str() {
        return Ok(());
    }
    Err(not_meant("the name does not match; nothing was deleted").into())
}
