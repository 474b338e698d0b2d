//! Two instances of `demo auth serve` agree on who is logged in: one asks the primary each time,
//! the other has an embedded replica.
//!
//! Only a revocation may take effect late, only on the latter, and at most by its sync interval. A
//! restart of the primary does not change that.

mod instance;

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::FutureExt;
use secrecy::ExposeSecret;
use serde_json::json;

use self::instance::{Instance, Said};
use crate::{Context, Error, Scenario, Seen};
use demo_base::error::Result;
use demo_base::ready::{Attempt, poll};
use demo_sqld::claims::Grant;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::Stop;
use demo_stack::engine::ephemeral::EphemeralStack;
use demo_stack::plan::Interface;
use demo_stack::plan::blueprint::Variants;

pub const SCENARIO: Scenario = Scenario {
    name: "shared-login",
    about: "two instances of `demo auth serve` agree on who is logged in",
    run: |context| run(context).boxed_local(),
};

/// `syncIntervalSecs`, which bounds the delay of a revocation: the shortest possible one.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a lookup that begins within the bound may take, and how long an instance may need after
/// a restart, since its sync gives up only after 10 s. This time is not part of the bound.
const PATIENCE: Duration = Duration::from_secs(15);
/// `serveStaleSecs`: longer than the primary is down.
const STALE_SECS: u64 = 60;
const TOKEN_LIFE: Duration = Duration::from_secs(600);
const USER: &str = "alice";
const PASSWORD: &str = "correct-horse-7-battery";
const WRONG: &str = "hunter2-is-not-it";

async fn run(context: &Context<'_>) -> Result<()> {
    let stack = context.start(Variants::NAMESPACED).await?;
    let name: NamespaceName = "logins".parse()?;
    stack.admin()?.create(&name).await?;
    let lifetime = Some(TOKEN_LIFE);
    let grant = Grant { namespaces: vec![name.clone()], lifetime, ..Grant::default() };
    let token = stack.token(&grant)?;
    let port = stack.address("primary", Interface::Http)?.port();
    let remote = json!({ "url": format!("http://{name}.localhost:{port}") });
    let mut embedded = remote.clone();
    embedded["replicaPath"] = json!("./logins/replica.db");
    embedded["syncIntervalSecs"] = json!(INTERVAL.as_secs());
    embedded["serveStaleSecs"] = json!(STALE_SECS);
    // Both start at once; the first to come creates the tables.
    let remote = Instance::start(&stack, "auth-remote", &remote, &token)?;
    let embedded = Instance::start(&stack, "auth-embedded", &embedded, &token)?;
    let state = State {
        stack: &stack,
        remote: remote.until_ready().await?,
        embedded: embedded.until_ready().await?,
        secrets: RefCell::new(vec![PASSWORD.into(), WRONG.into(), token.expose_secret().into()]),
    };
    state.logins(context).await;
    state.revocations(context, "").await;
    state.outage(context).await?;
    state.revocations(context, " after the restart").await;
    state.logs(context).await;
    Ok(())
}

struct State<'a> {
    stack: &'a EphemeralStack,
    remote: Instance<'a>,
    embedded: Instance<'a>,
    /// Secrets that no log may contain.
    secrets: RefCell<Vec<String>>,
}

impl State<'_> {
    async fn logins(&self, context: &Context<'_>) {
        let both = [
            (
                "a user who registers on one is known on the other at once",
                &self.remote,
                &self.embedded,
            ),
            (
                "a user who logs in on the other is known on the one at once",
                &self.embedded,
                &self.remote,
            ),
        ];
        for (name, here, there) in both {
            context
                .check(name, "200 alice", async || {
                    let said = there.whoami(&self.token(here).await?).await?;
                    Ok(Seen::when(said.user() == Some(USER), said.text()))
                })
                .await;
        }
        context
            .check("a wrong password is refused on both", "401 and 401", async || {
                let said = self.both(async |instance| instance.log_in(USER, WRONG).await).await?;
                Ok(statuses(&said, [401, 401]))
            })
            .await;
    }

    /// `when` is appended to the names of the checks, which are made twice.
    async fn revocations(&self, context: &Context<'_>, when: &str) {
        let bound = format!("401 to each lookup after {} ms", INTERVAL.as_millis());
        let name = format!("a token that is revoked on one is unknown there at once{when}");
        let revoked = RefCell::new(None);
        context
            .check(&name, "401", async || {
                let token = self.copied_token().await?;
                ended(&self.remote.revoke(&token).await?)?;
                let since = Instant::now();
                let said = self.remote.whoami(&token).await?;
                *revoked.borrow_mut() = Some((token, since));
                Ok(Seen::when(said.status == 401, said.text()))
            })
            .await;
        let name = format!("and on the embedded replica within its interval{when}");
        context
            .check(&name, &bound, async || {
                let revoked = revoked.borrow_mut().take();
                let (token, since) =
                    revoked.ok_or_else(|| Error::experiment("no token was revoked"))?;
                let (known, unknown) = self.until_forgotten(&token, since).await?;
                let text =
                    format!("known for {} ms, 401 at {}", known.as_millis(), unknown.as_millis());
                Ok(Seen::when(known <= INTERVAL, text))
            })
            .await;
        let name = format!("a token that is revoked on the other is unknown on both{when}");
        context
            .check(&name, "401 and 401", async || {
                let token = self.copied_token().await?;
                ended(&self.embedded.revoke(&token).await?)?;
                let said = self.both(async |instance| instance.whoami(&token).await).await?;
                Ok(statuses(&said, [401, 401]))
            })
            .await;
    }

    async fn outage(&self, context: &Context<'_>) -> Result<()> {
        let (kept, gone) = (self.copied_token().await?, self.copied_token().await?);
        ended(&self.remote.revoke(&gone).await?)?;
        self.stack.engine.stop("primary", Stop::Kill).await?;
        context
            .check("while the primary is away a login is refused", "503 and 503", async || {
                let said =
                    self.both(async |instance| instance.log_in(USER, PASSWORD).await).await?;
                Ok(statuses(&said, [503, 503]))
            })
            .await;
        context
            .check("and the embedded replica alone knows a token", "503 and 200", async || {
                let said = self.both(async |instance| instance.whoami(&kept).await).await?;
                Ok(statuses(&said, [503, 200]))
            })
            .await;
        self.stack.resume("primary").await?;
        let since = Instant::now();
        context
            .check("when it is back both log in again by themselves", "201 and 201", async || {
                let said = self.both(async |instance| self.until_logged_in(instance).await).await?;
                let took = since.elapsed().as_millis();
                let good = said.iter().all(|said| said.status == 201);
                Ok(Seen::when(good, format!("{} after {took} ms", texts(&said))))
            })
            .await;
        context
            .check("and know the token from before", "200 and 200", async || {
                let said = self.both(async |instance| instance.whoami(&kept).await).await?;
                Ok(statuses(&said, [200, 200]))
            })
            .await;
        context
            .check("and not the one that was revoked before", "401 and 401", async || {
                // The copy may have missed the revocation, and `serveStaleSecs` lets the instance
                // answer from it until its first sync.
                self.until_forgotten(&gone, since).await?;
                let said = self.both(async |instance| instance.whoami(&gone).await).await?;
                Ok(statuses(&said, [401, 401]))
            })
            .await;
        Ok(())
    }

    async fn logs(&self, context: &Context<'_>) {
        context
            .check("no password and no token is in a log", "none", async || {
                let mut logs = Vec::new();
                for instance in [&self.remote, &self.embedded] {
                    let log = self.stack.sidecars.log(instance.name).await?;
                    if !log.contains("\"message\":\"request\"") {
                        let none = format!("{} logs no requests", instance.name);
                        return Ok(Seen::when(false, none));
                    }
                    logs.push((instance.name.to_owned(), log));
                }
                for service in &self.stack.plan.services {
                    let log = self.stack.engine.logs(&service.name, None).await?;
                    logs.push((service.name.clone(), log));
                }
                let secrets = self.secrets.borrow();
                let tells = |log: &str| secrets.iter().any(|secret| log.contains(secret));
                let found = logs.iter().find(|(_, log)| tells(log));
                let lines: usize = logs.iter().map(|(_, log)| log.lines().count()).sum();
                Ok(match found {
                    Some((name, _)) => Seen::when(false, format!("a secret in the log of {name}")),
                    None => Seen::when(
                        true,
                        format!(
                            "none of {} in {lines} lines of {} logs",
                            secrets.len(),
                            logs.len()
                        ),
                    ),
                })
            })
            .await;
    }

    /// The answers of both instances to the same request, the remote one first.
    async fn both(&self, ask: impl AsyncFn(&Instance<'_>) -> Result<Said>) -> Result<[Said; 2]> {
        Ok([ask(&self.remote).await?, ask(&self.embedded).await?])
    }

    /// A new token of the user, who is registered the first time.
    async fn token(&self, instance: &Instance<'_>) -> Result<String> {
        let token = instance.log_in(USER, PASSWORD).await?.token()?;
        self.secrets.borrow_mut().push(token.clone());
        Ok(token)
    }

    /// A token that the embedded replica already contains; otherwise its instance would ask the
    /// primary, which forgets the token at once.
    async fn copied_token(&self) -> Result<String> {
        // The instance syncs after a login of its own.
        let token = self.token(&self.embedded).await?;
        poll("the embedded replica has the token", PATIENCE, async || {
            let before = self.embedded.local_lookups().await?;
            let said = self.embedded.whoami(&token).await?;
            let copied = said.status == 200 && self.embedded.local_lookups().await? > before;
            Ok(if copied { Attempt::Done(()) } else { Attempt::Again(said.text()) })
        })
        .await?;
        Ok(token)
    }

    /// When the last lookup that still found the token on the embedded replica began, and when the
    /// first one that did not find it began, both counted from `since`.
    async fn until_forgotten(&self, token: &str, since: Instant) -> Result<(Duration, Duration)> {
        let mut known = Duration::ZERO;
        let unknown = poll("the token is unknown", INTERVAL + PATIENCE, async || {
            let began = since.elapsed();
            let said = self.embedded.whoami(token).await?;
            match said.status {
                401 => return Ok(Attempt::Done(since.elapsed())),
                200 => known = began,
                _ => {}
            }
            Ok(Attempt::Again(said.text()))
        })
        .await?;
        Ok((known, unknown))
    }

    /// The only other answer that is acceptable during an outage is 503.
    async fn until_logged_in(&self, instance: &Instance<'_>) -> Result<Said> {
        let what = format!("{} logs in again", instance.name);
        let said = poll(&what, PATIENCE, async || {
            let said = instance.log_in(USER, PASSWORD).await?;
            Ok(if said.status == 503 { Attempt::Again(said.text()) } else { Attempt::Done(said) })
        })
        .await?;
        self.secrets.borrow_mut().extend(said.token().ok());
        Ok(said)
    }
}

fn ended(revocation: &Said) -> Result<(), Error> {
    if revocation.status == 200 {
        return Ok(());
    }
    Err(Error::experiment(format!("the revocation was answered {}", revocation.text())))
}

fn statuses(said: &[Said; 2], expected: [u16; 2]) -> Seen {
    let saw = said.each_ref().map(|said| said.status);
    Seen::when(saw == expected, texts(said))
}

fn texts(said: &[Said; 2]) -> String {
    said.each_ref().map(Said::text).join(" and ")
}
