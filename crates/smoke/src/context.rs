//! What a scenario uses: its stacks, its checks and its note.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use demo_base::choice::Choice;
use demo_base::error::{Result, find};
use demo_report::{Check, Outcome};
use demo_sqld_client::hrana::Reply;
use demo_stack::engine::ephemeral::{EphemeralStack, EphemeralStacks};
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Variants;

/// No check takes longer, whatever the server does.
const CHECK_DEADLINE: Duration = Duration::from_secs(20);

/// What `EXPECT_NAMESPACE_REPLICA` expects about upstream issue 1804.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum NamespaceReplica {
    /// Record the result without failing.
    #[default]
    KnownLimitation,
    /// A namespace that does not reach the replica is a failure.
    Pass,
}

impl Choice for NamespaceReplica {
    const ALL: &'static [Self] = &[Self::KnownLimitation, Self::Pass];

    fn word(self) -> &'static str {
        match self {
            Self::KnownLimitation => "known-limitation",
            Self::Pass => "pass",
        }
    }
}

/// One scenario in progress.
pub struct Context<'a> {
    name: &'static str,
    stacks: &'a EphemeralStacks,
    /// What is expected about upstream issue 1804.
    pub namespace_replica: NamespaceReplica,
    checks: RefCell<Vec<Check>>,
    note: RefCell<Option<String>>,
    started: RefCell<Vec<Rc<EphemeralStack>>>,
}

/// What a check saw, and whether it is as expected.
#[derive(Clone, Debug)]
pub struct Seen {
    good: bool,
    text: String,
}

impl Seen {
    /// `text` describes what was seen.
    pub fn when(good: bool, text: impl Into<String>) -> Self {
        Self { good, text: text.into() }
    }

    /// As expected when the two are equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(saw: &T, expected: &T) -> Self {
        Self::when(saw == expected, format!("{saw:?}"))
    }

    /// As expected when the answer has this HTTP status.
    pub fn status(reply: &Reply, status: u16) -> Self {
        let short = reply.status == status && reply.status != 200;
        let text = if short { reply.status.to_string() } else { reply.describe() };
        Self::when(reply.status == status, text)
    }

    /// As expected when the statement ran.
    pub fn success(reply: &Reply) -> Self {
        let good = reply.succeeded();
        Self::when(good, if good { "200".to_owned() } else { reply.describe() })
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(
        name: &'static str,
        stacks: &'a EphemeralStacks,
        namespace_replica: NamespaceReplica,
    ) -> Self {
        Self {
            name,
            stacks,
            namespace_replica,
            checks: RefCell::default(),
            note: RefCell::default(),
            started: RefCell::default(),
        }
    }

    /// Starts a stack for this scenario.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start(&self, variants: Variants) -> Result<Rc<EphemeralStack>> {
        self.start_changed(variants, |_, _| Ok(())).await
    }

    /// Starts a stack with a plan that `change` may alter; it receives the folder of the stack.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn start_changed(
        &self,
        variants: Variants,
        change: impl FnOnce(&mut StackPlan, &Path) -> Result<()>,
    ) -> Result<Rc<EphemeralStack>> {
        let stack = self.stacks.start(self.name, variants, change).await?;
        self.started.borrow_mut().push(Rc::clone(&stack));
        Ok(stack)
    }

    /// Runs a check and records what it saw. Returns whether that was as expected; an error or a
    /// missed deadline is not.
    pub async fn check(
        &self,
        name: &str,
        expected: &str,
        look: impl AsyncFnOnce() -> Result<Seen>,
    ) -> bool {
        self.look(name, expected, Outcome::Failed, look).await
    }

    /// Like [`Context::check`], for something that a known limitation may break: a miss is recorded
    /// as known and does not fail the run.
    pub async fn check_known(
        &self,
        name: &str,
        expected: &str,
        look: impl AsyncFnOnce() -> Result<Seen>,
    ) -> bool {
        self.look(name, expected, Outcome::Known, look).await
    }

    async fn look(
        &self,
        name: &str,
        expected: &str,
        otherwise: Outcome,
        look: impl AsyncFnOnce() -> Result<Seen>,
    ) -> bool {
        let since = Instant::now();
        let (seen, miss) = match tokio::time::timeout(CHECK_DEADLINE, look()).await {
            Ok(Ok(seen)) => (seen, otherwise),
            Ok(Err(error)) => {
                // A server that cannot be reached does not show a known limitation.
                let gone = find(&error).is_some_and(demo_sqld_client::Error::is_away);
                let miss = if gone { Outcome::Failed } else { otherwise };
                (Seen::when(false, format!("{error:#}")), miss)
            }
            Err(_elapsed) => {
                let text = format!("no result within {} s", CHECK_DEADLINE.as_secs());
                (Seen::when(false, text), Outcome::Failed)
            }
        };
        let took = since.elapsed();
        let outcome = if seen.good { Outcome::Passed } else { miss };
        let log = if outcome == Outcome::Failed { Some(self.last_words().await) } else { None };
        self.checks.borrow_mut().push(Check {
            name: name.to_owned(),
            outcome,
            expected: expected.to_owned(),
            saw: seen.text,
            log,
            took,
        });
        seen.good
    }

    /// The last log lines of every server of the scenario.
    pub(super) async fn last_words(&self) -> String {
        let stacks = self.started.borrow().clone();
        let mut all = Vec::new();
        for stack in stacks {
            all.push(stack.last_words().await);
        }
        all.join("\n")
    }

    /// A sentence for the scenario's line in the summary.
    pub fn note(&self, text: impl Into<String>) {
        *self.note.borrow_mut() = Some(text.into());
    }

    pub(super) fn finish(self) -> (Vec<Check>, Option<String>, Vec<Rc<EphemeralStack>>) {
        (self.checks.into_inner(), self.note.into_inner(), self.started.into_inner())
    }
}
