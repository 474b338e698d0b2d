//! `ports` and `expose`: single ports only.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::is_extension;
use demo_config::Error;
use demo_config::place::Place;
use demo_config::scalar;

/// `[[address:]published:]target[/protocol]`, or the long form.
pub(super) fn port(value: Value, place: &Place) -> Result<Value, Error> {
    if !value.is_object() {
        return short(&scalar::text(value, place)?, place);
    }
    let mut port = scalar::mapping(value, place)?;
    port.retain(|key, _| !is_extension(key));
    for key in ["target", "published"] {
        if let Some(value) = port.get_mut(key).filter(|value| !value.is_null()) {
            let place = place.key(key);
            *value = number(&scalar::text(value.take(), &place)?, key == "target", &place)?.into();
        }
    }
    if let Some(Value::String(address)) = port.get("host_ip") {
        check_address(address, &place.key("host_ip"))?;
    }
    port.entry("protocol").or_insert("tcp".into());
    Ok(port.into())
}

fn short(text: &str, place: &Place) -> Result<Value, Error> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (host, target) = match numbers.rsplit_once(':') {
        Some((host, target)) => (Some(host), target),
        None => (None, numbers),
    };
    let mut port = json!({"target": number(target, true, place)?, "protocol": protocol});
    if let Some(host) = host {
        let (address, published) = match host.rsplit_once(':') {
            Some((address, published)) => (Some(address), published),
            None => (None, host),
        };
        if let Some(address) = address {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            let address = bare.unwrap_or(address);
            check_address(address, place)?;
            port["host_ip"] = address.into();
        }
        // `127.0.0.1::80` asks for any free port.
        if !published.is_empty() || address.is_none() {
            port["published"] = number(published, false, place)?.into();
        }
    }
    Ok(port)
}

/// `port[/protocol]`, kept as written.
pub(super) fn expose(value: Value, place: &Place) -> Result<Value, Error> {
    let text = scalar::text(value, place)?;
    let (port, protocol) = text.split_once('/').unwrap_or((&text, "tcp"));
    number(port, true, place)?;
    if !matches!(protocol, "tcp" | "udp") {
        return Err(place.invalid(format!("`{protocol}` is not tcp or udp")));
    }
    Ok(text.into())
}

/// A port number; only a published port may be 0, which means any free port.
fn number(text: &str, of_container: bool, place: &Place) -> Result<u16, Error> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = [first, last].map(|text| text.parse::<u16>().ok().filter(|_| digits(text)));
    let [Some(first), Some(last)] = parsed else {
        return Err(place.invalid(format!("`{text}` is not a port")));
    };
    if first != last {
        return Err(place.invalid_with_help(
            format!("`{text}` is a range, which demo does not honour"),
            "write one entry for each port",
        ));
    }
    if first == 0 && of_container {
        return Err(place.invalid("the port of a container cannot be 0"));
    }
    Ok(first)
}

fn check_address(text: &str, place: &Place) -> Result<(), Error> {
    match text.parse::<IpAddr>() {
        Ok(_) => Ok(()),
        Err(_) => Err(place.invalid(format!("`{text}` is not an IP address"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> Result<Value, String> {
        port(value, &Place::of_file("a.yml").key("ports").item(0))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn every_short_form() {
        for (value, expected) in [
            (json!("80"), json!({"target": 80, "protocol": "tcp"})),
            (json!(80), json!({"target": 80, "protocol": "tcp"})),
            (json!("80-80"), json!({"target": 80, "protocol": "tcp"})),
            (json!("8:80/udp"), json!({"target": 80, "protocol": "udp", "published": 8})),
            (json!("0:80"), json!({"target": 80, "protocol": "tcp", "published": 0})),
            (
                json!("127.0.0.1:8:80"),
                json!({"target": 80, "protocol": "tcp", "host_ip": "127.0.0.1", "published": 8}),
            ),
            (
                json!("127.0.0.1::80"),
                json!({"target": 80, "protocol": "tcp", "host_ip": "127.0.0.1"}),
            ),
            (
                json!("[::1]:8:80"),
                json!({"target": 80, "protocol": "tcp", "host_ip": "::1", "published": 8}),
            ),
            (
                json!({"target": "80", "published": "8", "x-a": 1}),
                json!({"target": 80, "published": 8, "protocol": "tcp"}),
            ),
        ] {
            assert_eq!(read(value.clone()), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_not_one_port_is_refused() {
        for value in [
            json!(""),
            json!("http"),
            json!("0"),
            json!("65536"),
            json!("+80"),
            json!("80-81"),
            json!("8-9:80-81"),
            json!(":80"),
            json!("localhost:8:80"),
            json!("1:2:3:4"),
            json!("80.5"),
            json!(80.5),
            json!(true),
            json!(null),
            json!({"target": "80-81"}),
            json!({"target": 80, "published": "8-9"}),
            json!({"target": 80, "host_ip": "localhost"}),
        ] {
            let message = read(value.clone()).expect_err(&value.to_string());
            assert!(message.starts_with("a.yml: `ports[0]"), "{message}");
        }
    }

    #[test]
    fn exposed_ports_are_kept_as_written() {
        let place = Place::of_file("a.yml");
        assert_eq!(expose(json!(10), &place).ok(), Some(json!("10")));
        assert_eq!(expose(json!("10/udp"), &place).ok(), Some(json!("10/udp")));
        for value in [json!("10-11"), json!("x"), json!("10/sctp"), json!(null)] {
            assert!(expose(value.clone(), &place).is_err(), "{value}");
        }
    }
}
