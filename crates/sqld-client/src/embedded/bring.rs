//! Brings a copy up to date with its primary, and recreates it where that is impossible.

use std::time::Instant;

use jiff::Timestamp;

use super::preflight::{self, Answer};
use super::pull::{self, Failure, Pulled};
use super::record::{Found, Record, Spoilt};
use super::{Notice, Replica, Synced, query};
use crate::error::{Error, Said};
use demo_base::error::Result;

impl Replica {
    /// Syncs the existing copy, and fetches it again if it cannot be synced.
    pub(super) async fn bring(&mut self, found: Found, primary: u64) -> Result<Synced> {
        let since = Instant::now();
        let mut before = None;
        let mut cut_off = false;
        let mut why: Option<String> = None;
        let mut record = Record::new(&self.url());
        match found {
            Found::Nothing => self.files.discard()?,
            Found::Spoilt(spoilt) => {
                let text = spoilt.text();
                self.clear(&spoilt)?;
                why = Some(text);
            }
            Found::Copy { record: found, whole } => {
                before = found.index;
                if before.is_some_and(|index| index > primary) {
                    let text = younger(before.unwrap_or_default(), primary);
                    self.throw_away(&text)?;
                    why = Some(text);
                } else {
                    cut_off = !whole;
                    record = found;
                }
            }
        }
        let log = self.files.log_id()?;
        let (pulled, damage) = self.pull(&record, cut_off).await?;
        if let Some(text) = damage {
            why = Some(text);
        } else if why.is_none() && log.is_some() && log != self.files.log_id()? {
            // The crate has silently fetched the whole database again.
            let text = "the primary has begun a new log: it was reset, or has crashed".to_owned();
            self.notices.push(Notice::FetchedAgain { why: text.clone() });
            why = Some(text);
        }
        self.files.finish(&self.url(), pulled.index, Timestamp::now())?;
        Ok(Synced {
            index_before: before,
            index_after: pulled.index,
            frames: pulled.frames,
            took: since.elapsed(),
            fetched_again: why,
        })
    }

    /// Syncs, and starts from nothing if the files are damaged; returns the reason in that case.
    async fn pull(&mut self, record: &Record, check: bool) -> Result<(Pulled, Option<String>)> {
        match self.attempt(record, check).await? {
            Ok(pulled) => return Ok((pulled, None)),
            Err(Failure::Server(text)) => return Err(self.refused(&text).await.into()),
            Err(Failure::Damaged(_)) => {}
        }
        let why = "the file was damaged".to_owned();
        self.throw_away(&why)?;
        match self.attempt(&Record::new(&self.url()), false).await? {
            Ok(pulled) => Ok((pulled, Some(why))),
            Err(Failure::Server(text)) => Err(self.refused(&text).await.into()),
            Err(Failure::Damaged(text)) => Err(self.damaged(&text).into()),
        }
    }

    async fn attempt(&self, record: &Record, check: bool) -> Result<Result<Pulled, Failure>> {
        self.files.begin(record)?;
        let file = self.files.database();
        let outcome = pull::pull(&file, &self.source.endpoint, &self.source.token).await?;
        if check && outcome.is_ok() && !query::is_sound(&file).await {
            return Ok(Err(Failure::Damaged("a sync was interrupted".to_owned())));
        }
        Ok(outcome)
    }

    /// The server accepted the token, but the sync failed; another request may tell why.
    async fn refused(&self, text: &str) -> Error {
        match preflight::ask(&self.source).await {
            Err(refusal) => refusal,
            Ok(Answer::Away(away)) => away,
            Ok(Answer::Index(_)) => Error::NoSync {
                server: self.source.endpoint.describe(),
                source: Said(text.to_owned()),
            },
        }
    }

    pub(super) fn throw_away(&mut self, why: &str) -> Result<()> {
        self.files.discard()?;
        self.notices.push(Notice::FetchedAgain { why: why.to_owned() });
        Ok(())
    }

    fn clear(&mut self, spoilt: &Spoilt) -> Result<()> {
        if let Spoilt::OtherServer(_) = spoilt {
            return self.throw_away(&spoilt.text());
        }
        let file = self.files.set_aside()?;
        self.notices.push(Notice::SetAside { file });
        Ok(())
    }
}

fn younger(copy: u64, primary: u64) -> String {
    format!(
        "the primary was reset or crashed: it is at index {primary}, but the copy was at {copy}"
    )
}
