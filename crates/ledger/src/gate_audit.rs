//! The ledger's weaknesses, probed again through the gate.
//!
//! An attack is tried twice, in the same words: directly on the server, where it must
//! succeed, or the run has proved nothing; and on the gate in front of the same server,
//! where it must fail. Before that, the gate must let the holder of a token do what the
//! token allows.

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures::future::LocalBoxFuture;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::entries::through_gate::{self, AttackContext};
use super::{ProbeContext, entries};
use crate::Error;
use demo_base::error::Result;
use demo_stack::engine::ephemeral::{EphemeralStack, EphemeralStacks};

/// An attack that takes longer is undecided.
const DEADLINE: Duration = Duration::from_secs(30);

/// One attack.
pub struct Attack {
    /// The id of the weakness in the ledger.
    pub id: &'static str,
    /// What is sent, for a person.
    pub how: &'static str,
    /// Written `&Attack::run(async |context, target| …)`.
    pub run: &'static dyn Run,
}

/// Tries an attack on `target`.
pub trait Run {
    /// # Errors
    /// When it cannot be decided whether the attack succeeded.
    fn run<'a>(
        &'a self,
        context: &'a AttackContext<'a>,
        target: Target,
    ) -> LocalBoxFuture<'a, Result<Attempt>>;
}

impl<F: AsyncFn(&AttackContext<'_>, Target) -> Result<Attempt>> Run for F {
    fn run<'a>(
        &'a self,
        context: &'a AttackContext<'a>,
        target: Target,
    ) -> LocalBoxFuture<'a, Result<Attempt>> {
        Box::pin(self(context, target))
    }
}

impl Attack {
    /// Returns `run` unchanged; its bound spares the closure its types.
    pub const fn run<F: AsyncFn(&AttackContext<'_>, Target) -> Result<Attempt>>(run: F) -> F {
        run
    }
}

/// Where an attack goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Target {
    /// The server's own ports.
    Server,
    /// The gate's, which is all that others reach.
    Gate,
}

/// What an attack came to.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// Whether the attack succeeded. Of several things, all must succeed on the server; on
    /// the gate, any one counts.
    pub got_in: bool,
    /// The telling part of the answer.
    pub saw: String,
}

impl Attempt {
    /// Several things in one attack: all must succeed at the server, none at the gate.
    pub fn several(target: Target, tries: &[(String, bool)], saw: impl Into<String>) -> Self {
        let wanted = target == Target::Server;
        let unlike = tries.iter().filter(|(_, worked)| *worked != wanted);
        let unlike: Vec<&str> = unlike.map(|(what, _)| what.as_str()).collect();
        let saw = saw.into();
        if unlike.is_empty() {
            return Self::new(wanted, saw);
        }
        let word = if wanted { "did not work" } else { "worked" };
        Self::new(!wanted, format!("{word}: {}; {saw}", unlike.join(", ")))
    }

    /// `saw` tells what the answer was.
    pub fn new(got_in: bool, saw: impl Into<String>) -> Self {
        Self { got_in, saw: demo_sqld_client::http::excerpt(&saw.into()) }
    }
}

/// What the two attempts say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The server lets it in, the gate does not.
    Closed,
    /// The gate lets it in.
    Open,
    /// The server does not let it in, so nothing is known of the gate.
    NotReproduced,
    /// One of the attempts ended in an error.
    Undecided,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "OPEN",
            Self::NotReproduced => "not reproduced",
            Self::Undecided => "undecided",
        }
    }
}

/// One weakness, tried both ways.
#[derive(Debug, Serialize)]
pub struct Outcome {
    pub id: &'static str,
    pub claim: &'static str,
    pub how: &'static str,
    pub state: State,
    /// At the server's own ports.
    pub server: Option<Attempt>,
    /// At the gate.
    pub gate: Option<Attempt>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Every attack that was tried, and what became of it.
#[derive(Debug, Serialize)]
pub struct GateAuditReport {
    pub schema: u32,
    pub outcomes: Vec<Outcome>,
    /// What a token's holder did through the gate, as it must be possible.
    pub allowed: Vec<String>,
    pub took_seconds: f64,
}

impl GateAuditReport {
    /// Whether each weakness is closed.
    pub fn good(&self) -> bool {
        self.outcomes.iter().all(|outcome| outcome.state == State::Closed)
    }
}

impl fmt::Display for GateAuditReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for outcome in &self.outcomes {
            let state = outcome.state.as_str();
            writeln!(formatter, "{state:<15}{}", outcome.id)?;
            for (name, attempt) in [("server", &outcome.server), ("gate", &outcome.gate)] {
                if let Some(attempt) = attempt {
                    writeln!(formatter, "{:<15}{name:<7} {}", "", attempt.saw)?;
                }
            }
            if let Some(error) = &outcome.error {
                writeln!(formatter, "{:<15}error   {error}", "")?;
            }
        }
        let closed = self.outcomes.iter().filter(|outcome| outcome.state == State::Closed).count();
        writeln!(formatter)?;
        writeln!(formatter, "allowed        {}", self.allowed.join(", "))?;
        write!(formatter, "{closed} of {} weaknesses closed", self.outcomes.len())
    }
}

/// Every attack, in the order of the files.
pub fn attacks() -> impl Iterator<Item = &'static Attack> {
    through_gate::ALL.iter().copied().flatten()
}

/// Starts a stack and a gate in front of it and tries `attacks`. The caller
/// closes the stacks.
///
/// # Errors
/// When the stack or the gate does not come up, or the gate keeps the rightful
/// holder of a token out.
pub async fn run(attacks: &[&'static Attack], stacks: &EphemeralStacks) -> Result<GateAuditReport> {
    let since = Instant::now();
    let context = ProbeContext::new(stacks);
    let stack = through_gate::stack(&context).await?;
    let gate = OpenGate::before(&stack)?;
    let context = AttackContext::new(&context, stack, gate.address);
    let seen = try_all(attacks, &context).await;
    gate.close().await?;
    let (outcomes, allowed) = seen?;
    let took_seconds = (since.elapsed().as_secs_f64() * 10.0).round() / 10.0;
    Ok(GateAuditReport { schema: 1, outcomes, allowed, took_seconds })
}

/// A gate in this process; dropping this stops it.
pub struct OpenGate {
    /// On loopback.
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl OpenGate {
    /// In front of the servers of `stack`.
    ///
    /// # Errors
    /// When there is no port for it, or the stack has no primary.
    pub fn before(stack: &EphemeralStack) -> Result<Self> {
        let config = through_gate::config(stack)?;
        let listener = demo_service::server::bind(([127, 0, 0, 1], 0).into())?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel::<()>();
        // On this thread, because the servers end with the thread that started them.
        let task = tokio::spawn(demo_gate::serve_on(listener, config, async {
            let _ = stopped.await;
        }));
        Ok(Self { address, stop, task })
    }

    /// # Errors
    /// What it ended with.
    pub async fn close(self) -> Result<()> {
        let _ = self.stop.send(());
        self.task.await.map_err(|error| Error::experiment_saw("the gate ended badly", error))?
    }
}

async fn try_all(
    attacks: &[&'static Attack],
    context: &AttackContext<'_>,
) -> Result<(Vec<Outcome>, Vec<String>)> {
    let allowed = through_gate::rightful(context).await?;
    let mut outcomes = Vec::new();
    for attack in attacks {
        let server = attempt(attack, context, Target::Server).await;
        let gate = attempt(attack, context, Target::Gate).await;
        let probe = entries::probes().find(|probe| probe.id == attack.id);
        let (state, error) = match (&server, &gate) {
            (Err(error), _) | (_, Err(error)) => (State::Undecided, Some(format!("{error:#}"))),
            (_, Ok(gate)) if gate.got_in => (State::Open, None),
            (Ok(server), _) if !server.got_in => (State::NotReproduced, None),
            _ => (State::Closed, None),
        };
        outcomes.push(Outcome {
            id: attack.id,
            claim: probe.map_or("", |probe| probe.claim),
            how: attack.how,
            state,
            server: server.ok(),
            gate: gate.ok(),
            error,
        });
    }
    Ok((outcomes, allowed))
}

async fn attempt(attack: &Attack, context: &AttackContext<'_>, target: Target) -> Result<Attempt> {
    match tokio::time::timeout(DEADLINE, attack.run.run(context, target)).await {
        Ok(attempt) => attempt,
        Err(_elapsed) => {
            Err(Error::experiment(format!("not decided after {} s", DEADLINE.as_secs())).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_attack_is_one_of_the_ledgers_probes_and_there_once() {
        let mut seen = BTreeSet::new();
        for attack in attacks() {
            assert!(entries::probes().any(|probe| probe.id == attack.id), "{}", attack.id);
            assert!(seen.insert(attack.id), "{} is there twice", attack.id);
        }
    }

    #[test]
    fn several_things_must_all_succeed_at_the_server_and_none_at_the_gate() {
        let tries =
            |done: [bool; 2]| [("first".to_owned(), done[0]), ("second".to_owned(), done[1])];
        for (target, done, got_in, unlike) in [
            (Target::Server, [true, true], true, ""),
            (Target::Server, [true, false], false, "did not work: second; "),
            (Target::Gate, [false, true], true, "worked: second; "),
            (Target::Gate, [false, false], false, ""),
        ] {
            let attempt = Attempt::several(target, &tries(done), "answer");
            assert_eq!(attempt.got_in, got_in, "{target:?} {done:?}");
            assert_eq!(attempt.saw, format!("{unlike}answer"), "{target:?} {done:?}");
        }
    }
}
