#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo::shared_auth::store::fuzz_htpasswd(data));
