#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| demo_mint::fuzzing::login(data));
