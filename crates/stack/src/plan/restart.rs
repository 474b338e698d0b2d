//! What the compose key `restart` means for a server that has ended.

use super::{Error, ServicePlan};

/// When a server that ended by itself is restarted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restart {
    No,
    /// Whenever it ends.
    Always,
    /// Treated like `always`, since a server that was stopped on purpose is not watched.
    UnlessStopped,
    /// When it failed, at most this many times.
    OnFailure(Option<u32>),
}

impl Restart {
    /// The restart policy of `service`; `no` where it has none.
    ///
    /// # Errors
    /// [`Error::NotARestartPolicy`] for a policy that Compose does not know.
    pub fn of(service: &ServicePlan) -> Result<Self, Error> {
        let policy = service.restart.as_deref().unwrap_or("no");
        let wrong = || Error::NotARestartPolicy {
            service: service.name.clone(),
            policy: policy.to_owned(),
        };
        Ok(match policy.split_once(':') {
            None => match policy {
                "no" => Self::No,
                "always" => Self::Always,
                "unless-stopped" => Self::UnlessStopped,
                "on-failure" => Self::OnFailure(None),
                _ => return Err(wrong()),
            },
            Some(("on-failure", count)) => {
                Self::OnFailure(Some(count.parse().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
        })
    }

    /// Whether a server that has ended is to be restarted after `restarts` restarts.
    pub fn again(self, restarts: u32) -> bool {
        match self {
            Self::No => false,
            Self::Always | Self::UnlessStopped => true,
            Self::OnFailure(most) => most.is_none_or(|most| restarts < most),
        }
    }
}
