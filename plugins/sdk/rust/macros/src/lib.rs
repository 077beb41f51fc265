//! The attributes of `transom-sdk`, which documents them where it re-exports them.
//!
//! Each leaves the author's item as it stands and adds to it: the generated code is only a list of types and one call, all
//! else is library code that can be read and tested.

mod function;
mod items;

use proc_macro::TokenStream;

/// Makes a function callable from SQL. See `transom_sdk::function`.
#[proc_macro_attribute]
pub fn function(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(function::expand(options.into(), item.into()))
}

/// Gives a transform its name and description. See `transom_sdk::transform`.
#[proc_macro_attribute]
pub fn transform(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(items::transform(options.into(), item.into()))
}

/// Makes a struct readable from a transform's options. See `transom_sdk::options`.
#[proc_macro_attribute]
pub fn options(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(items::options(options.into(), item.into()))
}

/// Makes a type savable as a transform's state. See `transom_sdk::state`.
#[proc_macro_attribute]
pub fn state(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(items::state(options.into(), item.into()))
}

/// Makes a struct the rows of a table. See `transom_sdk::row`.
#[proc_macro_attribute]
pub fn row(options: TokenStream, item: TokenStream) -> TokenStream {
    finish(items::row(options.into(), item.into()))
}

fn finish(expanded: syn::Result<proc_macro2::TokenStream>) -> TokenStream {
    expanded
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}
