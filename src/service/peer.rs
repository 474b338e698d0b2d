//! Whose connection it is, as far as limits are concerned.

use std::net::{IpAddr, Ipv6Addr};

/// The address that limits count by: of IPv6 the /64, since one holder has all of
/// it; an IPv4 address that is written as IPv6 counts as what it is.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn neighbours_in_one_network_of_ipv6_count_together() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
