//! WebSockets whose clients have not sent their hello.
//!
//! There is a limit on these, and a lower one per address. When it is reached, the WebSocket
//! that has waited for longest is closed: an honest client sends its hello at once.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

/// The limit, and the limit per address.
const PLACES: usize = 256;
const PER_ADDRESS: usize = 64;

/// All WebSockets that wait for a hello.
#[derive(Clone, Default)]
pub struct Lobby(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    next: u64,
    /// In the order of arrival.
    places: BTreeMap<u64, (Option<IpAddr>, CancellationToken)>,
}

impl Lobby {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a WebSocket of `address`; another one may have to leave.
    pub fn enter(&self, address: Option<IpAddr>) -> Place {
        let mut waiting = self.waiting();
        let same = |(other, _): &&(Option<IpAddr>, CancellationToken)| *other == address;
        let crowded = waiting.places.values().filter(same).count() >= PER_ADDRESS;
        if crowded || waiting.places.len() >= PLACES {
            let oldest = waiting
                .places
                .iter()
                .find(|(_, (other, _))| !crowded || *other == address)
                .map(|(number, _)| *number);
            if let Some((_, leave)) = oldest.and_then(|number| waiting.places.remove(&number)) {
                leave.cancel();
            }
        }
        let number = waiting.next;
        waiting.next += 1;
        let leave = CancellationToken::new();
        waiting.places.insert(number, (address, leave.clone()));
        Place { lobby: self.clone(), number, leave }
    }
}

/// A place in the lobby; it becomes free when this is dropped.
pub struct Place {
    lobby: Lobby,
    number: u64,
    /// Cancelled when another WebSocket needs the place.
    pub leave: CancellationToken,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lobby.waiting().places.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h2_the_one_that_has_waited_longest_makes_room() {
        let lobby = Lobby::default();
        let address = |number: u8| Some(IpAddr::from([127, 0, 0, number]));
        let first = lobby.enter(address(1));
        let others: Vec<Place> = (1..PER_ADDRESS).map(|_| lobby.enter(address(1))).collect();
        assert!(!first.leave.is_cancelled());
        let _other_address = lobby.enter(address(2));
        assert!(!first.leave.is_cancelled());
        let new = lobby.enter(address(1));
        assert!(first.leave.is_cancelled());
        assert!(others.iter().chain([&new]).all(|place| !place.leave.is_cancelled()));
        drop(others);
        assert_eq!(lobby.waiting().places.len(), 2);
    }

    #[test]
    fn h2_all_addresses_together_have_a_limit() {
        let lobby = Lobby::default();
        let places: Vec<Place> = (0..=255)
            .chain(0..=255)
            .map(|number| lobby.enter(Some(IpAddr::from([10, 0, 0, number]))))
            .collect();
        assert_eq!(lobby.waiting().places.len(), PLACES);
        assert_eq!(places.iter().filter(|place| place.leave.is_cancelled()).count(), 256);
    }
}
