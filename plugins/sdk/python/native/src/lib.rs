//! `_transom_native`: the loops of the SDK for Python over columns, between Arrow's buffers and Python's values.
//!
//! README.md has its functions, and what they rely on. Each *declines* (returns None) whatever is not the common case;
//! the SDK then goes its own way in Python, which finds the row and words the message.
//!
//! Modules without a pointer in them (`bits`, `calendar`, `decimal`, `kind`) have unit tests; the rest needs an
//! interpreter, and is tested from Python.
#![cfg_attr(target_arch = "wasm32", no_std)]
// Unit tests leave out all that needs an interpreter, and with it what uses the rest.
#![cfg_attr(test, allow(dead_code))]

mod bits;
mod calendar;
mod decimal;
mod kind;

#[cfg(not(test))]
mod column;
#[cfg(not(test))]
mod encode;
#[cfg(not(test))]
mod known;
#[cfg(not(test))]
mod layout;
#[cfg(not(test))]
mod module;
#[cfg(not(test))]
mod plain;
#[cfg(not(test))]
mod python;
#[cfg(not(test))]
mod rows;

#[cfg(target_arch = "wasm32")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
