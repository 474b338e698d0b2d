//! What a data command works on: a server, or an embedded replica of one.

use std::time::Duration;

use jiff::Timestamp;

use super::target::{self, TargetServer};
use crate::cli::data::{Target, TargetArgs};
use crate::fault::Fault;
use crate::output::Output;
use crate::settings::Settings;
use demo_base::error::Result;
use demo_sqld::moment::relative;
use demo_sqld_client::Client;
use demo_sqld_client::embedded::{Freshness, Notice, Outcome, Replica};
use demo_sqld_client::items::Item;
use demo_sqld_client::table::Table;

/// Longer than any write of a healthy server takes. A write must not hang when the primary is away,
/// since reads of the replica go on.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);

/// The server, or the replica.
pub enum Session {
    Server(TargetServer),
    Embedded { replica: Box<Replica>, freshness: Freshness },
}

impl Session {
    /// Opens what the options name; nothing is sent to the primary of a replica yet.
    ///
    /// # Errors
    /// As [`target::resolve`] and [`TargetServer::replica`].
    pub async fn open(settings: &Settings, args: &TargetArgs) -> Result<Self> {
        let server = target::resolve(settings, args).await?;
        if args.target() != Target::Embedded {
            return Ok(Self::Server(server));
        }
        let replica = Box::new(server.replica(settings).await?);
        Ok(Self::Embedded { replica, freshness: target::freshness(args) })
    }

    /// The server or file in use, in words for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Server(server) => server.endpoint.describe(),
            Self::Embedded { replica, .. } => {
                let server = replica.source().endpoint.describe();
                format!("{server} and in {}", replica.file().display())
            }
        }
    }

    /// Prints the notices that accompany the result.
    pub fn tell(&mut self, output: &Output) {
        if let Self::Embedded { replica, .. } = self {
            tell(replica, output);
        }
    }

    /// See [`Client::init`].
    ///
    /// # Errors
    /// As the server answers.
    pub async fn init(&mut self) -> Result<()> {
        self.write(async |client| Ok(client.init().await?)).await
    }

    /// See [`Client::insert`].
    ///
    /// # Errors
    /// As the server answers.
    pub async fn insert(&mut self, label: &str) -> Result<Item> {
        self.write(async |client| Ok(client.insert(label).await?)).await
    }

    /// See [`Client::read`].
    ///
    /// # Errors
    /// As the server answers.
    pub async fn read(&mut self) -> Result<Vec<Item>> {
        self.look(async |client| Ok(client.read().await?)).await
    }

    /// See [`Client::count`].
    ///
    /// # Errors
    /// As the server answers.
    pub async fn count(&mut self) -> Result<u64> {
        self.look(async |client| Ok(client.count().await?)).await
    }

    /// Init, insert, read.
    ///
    /// # Errors
    /// As the server answers.
    pub async fn run(&mut self, label: &str) -> Result<Vec<Item>> {
        let write = async |client: &Client| {
            client.init().await?;
            Ok(client.insert(label).await?)
        };
        self.write(write).await?;
        match self {
            Self::Server(_) => self.read().await,
            // The write has just synced the replica.
            Self::Embedded { replica, .. } => {
                replica.read(async |client| Ok(client.read().await?)).await
            }
        }
    }

    /// Runs any SQL. On a replica, statements that only read run locally; a text that writes runs
    /// on the primary as a whole.
    ///
    /// # Errors
    /// As the server answers.
    pub async fn sql(&mut self, text: &str) -> Result<Table> {
        let (replica, freshness) = match self {
            Self::Server(server) => {
                return Ok(server.client()?.run(text).await?);
            }
            Self::Embedded { replica, freshness } => (replica, *freshness),
        };
        replica.freshen(freshness).await?;
        let look = async |client: &Client| Ok(client.look(text).await?);
        if let Outcome::Table(table) = replica.read(look).await? {
            return Ok(table);
        }
        refuse_offline(freshness)?;
        // The warning about stale reads does not matter to a command that only writes.
        replica.forget_stale();
        let primary = replica.source().client();
        let table = in_time(replica, async { Ok(primary.run(text).await?) }).await?;
        replica.follow().await;
        Ok(table)
    }

    async fn look<T>(&mut self, look: impl AsyncFn(&Client) -> Result<T>) -> Result<T> {
        match self {
            Self::Server(server) => look(&server.client()?).await,
            Self::Embedded { replica, freshness } => {
                replica.freshen(*freshness).await?;
                replica.read(look).await
            }
        }
    }

    async fn write<T>(&mut self, write: impl AsyncFn(&Client) -> Result<T>) -> Result<T> {
        match self {
            Self::Server(server) => write(&server.client()?).await,
            Self::Embedded { replica, freshness } => {
                refuse_offline(*freshness)?;
                let primary = replica.source().client();
                let written = in_time(replica, write(&primary)).await?;
                replica.follow().await;
                Ok(written)
            }
        }
    }
}

async fn in_time<T>(replica: &Replica, write: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = tokio::time::timeout(WRITE_DEADLINE, write).await;
    outcome.unwrap_or_else(|_elapsed| {
        let server = replica.source().endpoint.describe();
        Err(Fault::unreachable(format!("{server} did not answer within {WRITE_DEADLINE:?}"))
            .hint("the write may have been committed: check with `demo read` before you repeat it")
            .into())
    })
}

fn refuse_offline(freshness: Freshness) -> Result<()> {
    if freshness != Freshness::Offline {
        return Ok(());
    }
    Err(Fault::input("--offline cannot be used with a command that writes")
        .hint("leave --offline out, since writes go to the primary")
        .into())
}

/// Prints the notices of a replica.
pub fn tell(replica: &mut Replica, output: &Output) {
    let file = replica.file().display().to_string();
    for notice in replica.notices() {
        output.note(match notice {
            Notice::Stale { why, synced_at } => format!(
                "warning   {why}; reading {file} as of the last sync, {} ({synced_at:.0})",
                relative(synced_at, Timestamp::now())
            ),
            Notice::FetchedAgain { why } => {
                format!("note      {file} was discarded and fetched again: {why}")
            }
            Notice::SetAside { file: aside } => format!(
                "note      {file} was changed since its last sync: set aside as {} and fetched again",
                aside.display()
            ),
            Notice::Behind { why } => format!(
                "warning   the primary has the write, but {file} does not show it yet: {why}"
            ),
        });
    }
}
