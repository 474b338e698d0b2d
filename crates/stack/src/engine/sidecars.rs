//! `demo` processes that run beside an ephemeral stack, such as an instance of `demo auth serve`.
//!
//! They are processes of this machine on every engine, as in real use, and live exactly as long as
//! native servers do: they have pid files in the same folder and the same lifeline.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::native::{NativeEngine, Program, Site};
use super::{Engine, ServiceState, Stop, last_words};
use demo_base::error::Result;

/// The sidecars of one stack.
#[derive(Debug)]
pub struct Sidecars {
    engine: NativeEngine,
    program: PathBuf,
    names: RefCell<Vec<String>>,
}

impl Sidecars {
    /// No sidecars yet; `program` is the `demo` executable.
    pub fn new(site: Site, program: PathBuf) -> Self {
        let engine = NativeEngine::new(site, None, program.clone());
        Self { engine, program, names: RefCell::default() }
    }

    /// Starts `demo` with `arguments`, which must contain no secret. Secrets belong in
    /// `environment`, which is the whole environment of the process.
    ///
    /// # Errors
    /// When it cannot be started; the caller has to check that it comes up.
    pub fn start(
        &self,
        name: &str,
        arguments: &[String],
        environment: &BTreeMap<String, String>,
    ) -> Result<()> {
        self.engine.make_folders()?;
        self.names.borrow_mut().push(name.to_owned());
        let path = &self.program;
        self.engine.launch(name, Program { path, arguments, environment, confinement: None })
    }

    /// Whether the sidecar is running.
    ///
    /// # Errors
    /// When its pid file cannot be read.
    pub async fn lives(&self, name: &str) -> Result<bool> {
        Ok(self.engine.state(name).await? != ServiceState::Stopped)
    }

    /// Everything that it has written to stdout and stderr.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub async fn log(&self, name: &str) -> Result<String> {
        self.engine.logs(name, None).await
    }

    /// The last lines of the log of each sidecar, for a message.
    pub async fn last_words(&self) -> Vec<String> {
        let names = self.names.borrow().clone();
        let mut all = Vec::new();
        for name in names {
            all.push(last_words(&self.engine, &name).await);
        }
        all
    }

    /// Kills all of them at once, as a crash would.
    ///
    /// # Errors
    /// When one does not end.
    pub async fn stop_all(&self) -> Result<()> {
        let names = self.names.borrow().clone();
        for name in names {
            self.engine.stop(&name, Stop::Kill).await?;
        }
        Ok(())
    }
}
