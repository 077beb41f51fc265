//! Schemas and batches as a guest returns them; what must hold of them is in `transom_plugin::fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transom_plugin::fuzz::batch(bytes));
