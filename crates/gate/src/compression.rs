//! gzip for long answers. The gate reads these, so the server must send them uncompressed.

use std::io::Write;

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;

/// Compressed bytes are sent once there are this many.
const ENOUGH: usize = 16 * 1024;

/// Whether the client accepts gzip.
pub fn accepted(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        gzip && !parts.any(|part| {
            let weight = part.strip_prefix("q=").and_then(|weight| weight.trim().parse().ok());
            weight == Some(0.0_f32)
        })
    })
}

/// One answer that is being compressed.
pub struct Gzip {
    encoder: GzEncoder<Vec<u8>>,
    at_once: bool,
}

impl Gzip {
    /// With `at_once`, nothing is held back to compress better.
    pub fn new(at_once: bool) -> Self {
        Self { encoder: GzEncoder::new(Vec::new(), Compression::fast()), at_once }
    }

    /// Adds `data` and returns the bytes that can be sent now, possibly none.
    pub fn add(&mut self, data: &[u8]) -> Bytes {
        // Writing to memory cannot fail.
        let _ = self.encoder.write_all(data);
        if self.at_once {
            let _ = self.encoder.flush();
        }
        let ready = self.encoder.get_mut();
        if self.at_once || ready.len() >= ENOUGH {
            Bytes::from(std::mem::take(ready))
        } else {
            Bytes::new()
        }
    }

    /// The last bytes.
    pub fn finish(self) -> Bytes {
        Bytes::from(self.encoder.finish().unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn decompressed_data_equals_the_original() {
        let data: Vec<u8> =
            (0..400_000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
        for at_once in [true, false] {
            let mut gzip = Gzip::new(at_once);
            let mut sent = Vec::new();
            for part in data.chunks(10_000) {
                let ready = gzip.add(part);
                assert!(!at_once || !ready.is_empty());
                sent.extend_from_slice(&ready);
            }
            sent.extend_from_slice(&gzip.finish());
            assert!(sent.len() < data.len() / 2);
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(sent.as_slice()).read_to_end(&mut back).unwrap();
            assert_eq!(back, data);
        }
    }

    #[test]
    fn accept_encoding_decides_whether_gzip_is_used() {
        let takes = |value: &'static str| {
            let value = axum::http::HeaderValue::from_static(value);
            accepted(&HeaderMap::from_iter([(header::ACCEPT_ENCODING, value)]))
        };
        for value in ["gzip", "br, GZIP;q=0.5", "deflate,gzip ;q=1"] {
            assert!(takes(value), "{value}");
        }
        for value in ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "identity"] {
            assert!(!takes(value), "{value}");
        }
        assert!(!accepted(&HeaderMap::new()));
    }
}
