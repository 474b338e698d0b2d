//! The servers of a run of probes, all its own.

use std::cell::Cell;
use std::path::Path;
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::Error;
use demo_base::error::Result;
use demo_sqld::namespace::NamespaceName;
use demo_stack::engine::ephemeral::{EphemeralStack, EphemeralStacks};
use demo_stack::plan::StackPlan;
use demo_stack::plan::blueprint::Variants;

/// How long a server that ends by itself may take.
const EXIT_DEADLINE: Duration = Duration::from_secs(8);

/// Where probes get their servers.
pub struct ProbeContext<'a> {
    stacks: &'a EphemeralStacks,
    namespaced: OnceCell<Rc<EphemeralStack>>,
    plain: OnceCell<Rc<EphemeralStack>>,
    names: Cell<u32>,
}

impl<'a> ProbeContext<'a> {
    pub(super) fn new(stacks: &'a EphemeralStacks) -> Self {
        Self { stacks, namespaced: OnceCell::new(), plain: OnceCell::new(), names: Cell::new(0) }
    }

    /// The stack that probes share when they do it no harm: primary and replica with
    /// namespaces, without a default one, with a key. Take names from
    /// [`ProbeContext::name`].
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn namespaced(&self) -> Result<Rc<EphemeralStack>> {
        // With more than its 100 active namespaces the server answers 404 for ones that exist.
        // One probe is about that; it must not disturb the others.
        let roomy = |plan: &mut StackPlan, _: &Path| {
            for service in &mut plan.services {
                let flag = ["--max-active-namespaces", "2000"].map(str::to_owned);
                service.command.extend(flag);
            }
            Ok(())
        };
        let start = || self.own(Variants::NAMESPACED, roomy);
        self.namespaced.get_or_try_init(start).await.cloned()
    }

    /// The same without namespaces: one database.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn plain(&self) -> Result<Rc<EphemeralStack>> {
        let start = || self.own(Variants::DEFAULT, |_, _| Ok(()));
        self.plain.get_or_try_init(start).await.cloned()
    }

    /// A throw-away stack for a probe that harms it or needs other flags; `change` edits
    /// the plan. The stack ends with the run.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn own(
        &self,
        variants: Variants,
        change: impl FnOnce(&mut StackPlan, &Path) -> Result<()>,
    ) -> Result<Rc<EphemeralStack>> {
        self.stacks.start("probe", variants, change).await
    }

    /// A throw-away primary alone, with namespaces.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn primary(
        &self,
        change: impl FnOnce(&mut StackPlan) -> Result<()>,
    ) -> Result<Rc<EphemeralStack>> {
        self.own(Variants::NAMESPACED, |plan, _| {
            plan.services.retain(|service| service.name == "primary");
            change(plan)
        })
        .await
    }

    /// Ends a throw-away stack before the run ends.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn discard(&self, stack: &Rc<EphemeralStack>) -> Result<()> {
        self.stacks.close(stack).await
    }

    /// A name that no other probe of this run has.
    ///
    /// # Errors
    /// Never: the name is well-formed.
    pub fn name(&self, word: &str) -> Result<NamespaceName> {
        self.names.set(self.names.get() + 1);
        Ok(format!("{word}{}", self.names.get()).parse()?)
    }

    /// A new namespace on the primary of `stack`.
    ///
    /// # Errors
    /// When the Admin API refuses.
    pub async fn namespace(&self, stack: &EphemeralStack, word: &str) -> Result<NamespaceName> {
        let name = self.name(word)?;
        stack.admin()?.create(&name).await?;
        Ok(name)
    }

    /// The client for requests that no helper covers; every request has a deadline.
    pub fn http(&self) -> &reqwest::Client {
        &self.stacks.http
    }

    /// Runs the server binary with exactly these arguments in `folder`, until it exits or
    /// for 8 s. Native engine only.
    ///
    /// # Errors
    /// When there is no binary, or it cannot be run.
    pub async fn run_binary(
        &self,
        folder: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Ended> {
        let binary = self.stacks.provider.server_binary().ok_or(Error::NoBinary)?;
        let child = Command::new(&binary.path)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        match tokio::time::timeout(EXIT_DEADLINE, child.wait_with_output()).await {
            Err(_elapsed) => Ok(Ended { code: None, text: "still running after 8 s".to_owned() }),
            Ok(output) => {
                let output = output?;
                let text = [output.stderr, output.stdout].concat();
                let text = String::from_utf8_lossy(&text).into_owned();
                Ok(Ended { code: output.status.code().or(Some(-1)), text })
            }
        }
    }

    /// A folder for [`ProbeContext::run_binary`], removed when dropped.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self) -> Result<tempfile::TempDir> {
        Ok(tempfile::tempdir_in(self.stacks.local.ephemeral_dir())?)
    }
}

/// A server that was run by itself.
#[derive(Clone, Debug)]
pub struct Ended {
    /// `None` if it had to be killed, -1 if a signal of its own ended it.
    pub code: Option<i32>,
    /// What it wrote.
    pub text: String,
}

/// `future`, unless it takes longer: a hang of the server is an observation.
pub async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, future).await.ok()
}
