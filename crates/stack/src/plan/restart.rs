//! What `restart:` says of a server that has ended.

use super::ServicePlan;
use demo_base::error::{Fault, Result};

/// When a server that nobody has stopped is started again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restart {
    No,
    /// Whenever it ends.
    Always,
    /// The same here: what was stopped on purpose is no longer watched.
    UnlessStopped,
    /// When it failed, at most so often.
    OnFailure(Option<u32>),
}

impl Restart {
    /// That of `service`; `no` where it says nothing.
    ///
    /// # Errors
    /// Exit 2 for a word that Compose does not know.
    pub fn of(service: &ServicePlan) -> Result<Self> {
        let policy = service.restart.as_deref().unwrap_or("no");
        let wrong = || {
            Fault::input(format!("service `{}`, `restart`: `{policy}` is no policy", service.name))
                .hint("write no, always, unless-stopped, on-failure or on-failure:NUMBER")
        };
        Ok(match policy.split_once(':') {
            None => match policy {
                "no" => Self::No,
                "always" => Self::Always,
                "unless-stopped" => Self::UnlessStopped,
                "on-failure" => Self::OnFailure(None),
                _ => return Err(wrong().into()),
            },
            Some(("on-failure", count)) => {
                Self::OnFailure(Some(count.parse().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong().into()),
        })
    }

    /// Whether a server that has ended is started again after `restarts` times.
    pub fn again(self, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure(most) => most.is_none_or(|most| restarts < most),
        }
    }
}
