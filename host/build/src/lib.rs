//! From a plugin's folder to a component: what `transom build` does.
//!
//! [`build`] looks at a folder ([`detect`]), finds a compiler that can make WebAssembly from that [`Language`], runs it,
//! wraps the core module into a component ([`componentize`]) and puts it beside the source, atomically. A plugin in Python
//! is packed into a zip instead, for the runner that every one of them shares. [`Built`] says
//! where it is and what its digest is; the same source gives the same digest in any folder of any machine with the same
//! compiler, so a digest in a lock file can be checked by building again. [`is_stale`] says when to build again, by the content of all
//! sources and never by times of files.
//!
//! ```no_run
//! use std::path::Path;
//! use transom_build::{BuildOptions, up_to_date};
//!
//! let folder = Path::new("plugins/carriers");
//! let built = up_to_date(folder, &BuildOptions::default(), || eprintln!("building"))?;
//! # Ok::<(), transom_build::BuildError>(())
//! ```
//!
//! This crate never runs a component: it has no wasmtime, and what it made is checked again by who loads it.

mod build;
mod cache;
mod componentize;
mod error;
mod go;
mod inputs;
mod language;
mod output;
mod python;
mod rust;
mod sdk;
mod toolchain;
mod unit_tests;

pub use build::{BuildOptions, Built, build, component_path, is_packed_at_once, up_to_date};
pub use cache::cache_folder;
pub use componentize::componentize;
pub use error::{BuildError, BuildErrorKind};
pub use inputs::{is_stale, source_files};
pub use language::{Language, detect};
pub use sdk::{place_sdk, python_runner_digest, sdk_folder};
pub use toolchain::{Toolchain, toolchains};
pub use unit_tests::{UnitTests, unit_tests};
