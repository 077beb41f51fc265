//! Texts of statements for the local Redshift; what must hold of them is in `transom_fuzz`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| transom_fuzz::statement(bytes));
