#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo::server::install::fuzz_archive(data));
