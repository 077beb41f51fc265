//! The Wasm edge: the contract's exports on top of [`crate::plugin`], and the panic hook.

use crate::bindings::exports::transom::plugin::{meta, scalar, table};
use crate::bindings::transom::plugin::types::{Batch, Error as WireError, Field as WireField};
use crate::plugin::{Handles, Plugin, wire_error};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::sync::Once;

/// The plugin of an author's crate. Implemented by `plugin!`.
pub trait Definition: 'static {
    /// What it offers.
    const PLUGIN: Plugin;
}

/// The component of the plugin `D`.
pub struct Component<D>(PhantomData<D>);

thread_local! {
    static HANDLES: RefCell<Handles> = RefCell::default();
}

/// Every call from the host comes through here.
fn enter<R>(work: impl FnOnce(&mut Handles) -> R) -> R {
    static HOOK: Once = Once::new();
    // A panic is a bare trap on this target: without the hook its place would be lost.
    HOOK.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let payload = panic.payload();
            let message = payload
                .downcast_ref::<&str>()
                .copied()
                .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
                .unwrap_or("unknown reason");
            match panic.location() {
                Some(at) => crate::log::error(format!(
                    "panicked at {}:{}: {message}",
                    at.file(),
                    at.line()
                )),
                None => crate::log::error(format!("panicked: {message}")),
            }
        }));
    });
    HANDLES.with_borrow_mut(work)
}

impl<D: Definition> meta::Guest for Component<D> {
    fn describe() -> Result<meta::Description, WireError> {
        enter(|_| D::PLUGIN.describe().map_err(wire_error))
    }
}

impl<D: Definition> scalar::Guest for Component<D> {
    fn open(
        name: String,
        arguments: Vec<WireField>,
        options: String,
    ) -> Result<scalar::Opened, WireError> {
        enter(|handles| handles.open_function(&D::PLUGIN, &name, arguments, &options))
            .map_err(wire_error)
    }

    fn call(handle: u32, arguments: Batch) -> Result<scalar::Outcome, WireError> {
        enter(|handles| handles.call_function(handle, arguments)).map_err(wire_error)
    }

    fn close(handle: u32) {
        enter(|handles| handles.close_function(handle));
    }
}

impl<D: Definition> table::Guest for Component<D> {
    fn open(
        name: String,
        input: Vec<WireField>,
        options: String,
    ) -> Result<table::Opened, WireError> {
        enter(|handles| handles.open_table(&D::PLUGIN, &name, input, &options))
    }

    fn process(handle: u32, input: Batch) -> Result<table::Outcome, WireError> {
        enter(|handles| handles.process(handle, input))
    }

    fn pull(handle: u32) -> Result<table::Outcome, WireError> {
        enter(|handles| handles.pull(handle))
    }

    fn finish(handle: u32, end: table::End) -> Result<table::Outcome, WireError> {
        enter(|handles| handles.finish(handle, end))
    }

    fn save(handle: u32) -> Result<Vec<u8>, WireError> {
        enter(|handles| handles.save(handle))
    }

    fn restore(handle: u32, state: Vec<u8>) -> Result<(), WireError> {
        enter(|handles| handles.restore(handle, &state))
    }

    fn close(handle: u32) {
        enter(|handles| handles.close_table(handle));
    }
}
