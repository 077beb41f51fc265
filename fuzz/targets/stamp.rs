//! Stamps of compiled code; what must hold of them is in `transom_plugin::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transom_plugin::fuzz::stamp(bytes));
