//! The client address that limits are counted for: the peer's own or, behind a trusted
//! proxy, the one that the proxy names.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;
use serde::{Deserialize, Deserializer, de};

/// Proxies whose `X-Forwarded-For` or `Forwarded` header is trusted: addresses and
/// networks such as `10.0.0.0/8`. Both headers are ignored from all other peers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// The address of the client of a request that came from `peer`: the rightmost
    /// address in the header that is not a trusted proxy. A client can write entries
    /// further left itself. If an entry is not an address, the result is the proxy that
    /// sent it. If the two headers disagree, the result is `peer`, since a proxy sets one
    /// of them and passes on whatever the client wrote in the other.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return peer;
        }
        let by_list = self.rightmost(peer, headers, "x-forwarded-for", address);
        let by_pairs = self.rightmost(peer, headers, "forwarded", for_parameter);
        match (by_list, by_pairs) {
            (Some(one), Some(other)) if one != other => peer,
            (Some(found), _) | (None, Some(found)) => found,
            (None, None) => peer,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// The rightmost untrusted address in a header; `None` without the header.
    fn rightmost(
        &self,
        peer: IpAddr,
        headers: &HeaderMap,
        name: &str,
        read: fn(&str) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let lines: Vec<_> = headers.get_all(name).iter().collect();
        if lines.is_empty() {
            return None;
        }
        let mut nearest = peer;
        for line in lines.iter().rev() {
            for entry in line.to_str().unwrap_or_default().rsplit(',') {
                let Some(found) = read(entry.trim()) else { return Some(nearest) };
                nearest = found;
                if !self.trusts(found) {
                    return Some(found);
                }
            }
        }
        Some(nearest)
    }
}

impl<'de> Deserialize<'de> for TrustedProxies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let network = |text: String| {
            let one = text.parse().map(|one: IpAddr| IpNet::from(one.to_canonical()));
            one.or_else(|_| text.parse()).map_err(|_| {
                de::Error::custom("a trusted proxy is an address or a network such as 10.0.0.0/8")
            })
        };
        let texts: Vec<String> = Vec::deserialize(from)?;
        texts.into_iter().map(network).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads `192.0.2.1` or `2001:db8::1`, also in brackets or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let found: Option<IpAddr> = bare.parse().ok();
    let found = found.or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()));
    found.map(|found| found.to_canonical())
}

/// The `for=` of one element of `Forwarded` (RFC 7239).
fn for_parameter(element: &str) -> Option<IpAddr> {
    let value = element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case("for").then_some(value)
    })?;
    address(value.trim_matches('"'))
}

/// The address that limits count by: for IPv6 the /64, since one holder usually has all of
/// it. An IPv4-mapped IPv6 address counts as the IPv4 address.
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
    use axum::http::HeaderValue;

    use super::*;

    fn client(proxies: &str, peer: &str, headers: &[(&'static str, &'static str)]) -> String {
        let proxies: TrustedProxies = serde_json::from_str(proxies).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().unwrap(), &map).to_string()
    }

    #[test]
    fn read_trusted_proxies_headers_are_used_from_trusted_proxies_only() {
        let list = &[("x-forwarded-for", "6.6.6.6, 192.0.2.9")][..];
        assert_eq!(client("[]", "10.0.0.1", list), "10.0.0.1");
        assert_eq!(client(r#"["10.0.0.2"]"#, "10.0.0.1", list), "10.0.0.1");
        assert_eq!(client(r#"["10.0.0.1"]"#, "10.0.0.1", list), "192.0.2.9");
        assert_eq!(client(r#"["10.0.0.0/8"]"#, "::ffff:10.0.0.1", list), "192.0.2.9");
        let pairs = &[("forwarded", "for=6.6.6.6, proto=https;For=\"[2001:db8::7]:4711\"")][..];
        assert_eq!(client(r#"["10.0.0.1"]"#, "10.0.0.1", pairs), "2001:db8::7");
        assert_eq!(client("[]", "10.0.0.1", pairs), "10.0.0.1");
    }

    #[test]
    fn read_trusted_proxies_the_rightmost_untrusted_address_counts() {
        let proxies = r#"["10.0.0.0/8"]"#;
        let table: [(&[(&str, &str)], &str); 7] = [
            (&[("x-forwarded-for", "6.6.6.6, 192.0.2.9, 10.0.0.3")], "192.0.2.9"),
            (&[("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.9")], "192.0.2.9"),
            (&[("x-forwarded-for", "6.6.6.6, nonsense, 10.0.0.3")], "10.0.0.3"),
            (&[("x-forwarded-for", "nonsense")], "10.0.0.1"),
            (&[("x-forwarded-for", "192.0.2.9:80")], "192.0.2.9"),
            // The client wrote the header that the proxy does not set.
            (&[("x-forwarded-for", "192.0.2.9"), ("forwarded", "for=6.6.6.6")], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ];
        for (headers, expected) in table {
            assert_eq!(client(proxies, "10.0.0.1", headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn read_trusted_proxies_an_invalid_network_is_refused() {
        assert!(serde_json::from_str::<TrustedProxies>(r#"["everywhere"]"#).is_err());
    }

    #[test]
    fn neighbours_in_one_network_of_ipv6_count_together() {
        let network = |text: &str| super::network(text.parse().unwrap());
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:1::1"));
        assert_eq!(network("::ffff:10.0.0.1"), network("10.0.0.1"));
    }
}
