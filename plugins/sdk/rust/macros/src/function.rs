//! `#[function]`: a type of the function's name beside it, which says what the function takes and gives, and calls it.

use crate::items::documentation;
use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Error, FnArg, Ident, ItemFn, LitStr, Pat, Result, ReturnType, Type};

/// What stands in the attribute's brackets.
struct Options {
    name: Option<LitStr>,
    volatility: Ident,
    /// `output = "first"`: the result has the type of the first argument.
    first: bool,
}

impl Options {
    fn parse(options: TokenStream) -> Result<Self> {
        let mut parsed = Self {
            name: None,
            volatility: Ident::new("Immutable", Span::call_site()),
            first: false,
        };
        let parser = syn::meta::parser(|meta| {
            if meta.path.is_ident("name") {
                parsed.name = Some(meta.value()?.parse()?);
            } else if meta.path.is_ident("output") {
                let value: LitStr = meta.value()?.parse()?;
                if value.value() != "first" {
                    return Err(Error::new(
                        value.span(),
                        "the only output is \"first\": the type of the first argument",
                    ));
                }
                parsed.first = true;
            } else if meta.path.is_ident("immutable") {
                parsed.volatility = Ident::new("Immutable", Span::call_site());
            } else if meta.path.is_ident("stable") {
                parsed.volatility = Ident::new("Stable", Span::call_site());
            } else if meta.path.is_ident("volatile") {
                parsed.volatility = Ident::new("Volatile", Span::call_site());
            } else {
                return Err(meta.error("expected one of: immutable, stable, volatile, name = \"..\", output = \"first\""));
            }
            Ok(())
        });
        syn::parse::Parser::parse2(parser, options)?;
        Ok(parsed)
    }
}

pub fn expand(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let options = Options::parse(options)?;
    let function: ItemFn = syn::parse2(item)?;
    let signature = &function.sig;
    refuse(signature)?;

    let ident = &signature.ident;
    let sql_name = options
        .name
        .as_ref()
        .map_or_else(|| unraw(ident), LitStr::value);
    let doc = documentation(&function.attrs);
    let arguments = arguments(signature)?;
    let columns = arguments.iter().filter(|(_, ty)| is_column(ty)).count();
    if columns > 0 && columns < arguments.len() {
        return Err(Error::new(
            signature.inputs.span(),
            "either every argument is a reference to an Arrow array, or none is",
        ));
    }
    let output = match &signature.output {
        ReturnType::Type(_, ty) => (**ty).clone(),
        ReturnType::Default => {
            return Err(Error::new(
                signature.span(),
                "a function gives a value: write its type behind `->`",
            ));
        }
    };
    if options.first && columns == 0 {
        return Err(Error::new(
            signature.inputs.span(),
            "`output = \"first\"` is for functions of whole columns with at least one argument",
        ));
    }
    let Body {
        accepts,
        gives,
        call,
    } = if columns > 0 {
        by_column(ident, &arguments, &output, options.first)
    } else {
        by_row(ident, &arguments, &output)
    };

    let visibility = &function.vis;
    let volatility = &options.volatility;
    let names = arguments.iter().map(|(name, _)| name);
    Ok(quote! {
        #function

        // Braces keep the type out of the namespace of values, where the function is.
        #[doc(hidden)]
        #[allow(non_camel_case_types)]
        #visibility struct #ident {}

        impl ::transom_sdk::__private::Registered for #ident {
            const FUNCTION: ::transom_sdk::__private::Function = ::transom_sdk::__private::Function {
                name: #sql_name,
                doc: #doc,
                arguments: || ::std::vec![#((#names, #accepts)),*],
                gives: || #gives,
                volatility: ::transom_sdk::__private::Volatility::#volatility,
                call: #call,
            };
        }
    })
}

fn refuse(signature: &syn::Signature) -> Result<()> {
    let refusal = if let Some(asyncness) = &signature.asyncness {
        (asyncness.span(), "a function of a plugin cannot be async")
    } else if let Some(unsafety) = &signature.unsafety {
        (unsafety.span(), "a function of a plugin cannot be unsafe")
    } else if !signature.generics.params.is_empty()
        && signature.generics.type_params().next().is_some()
    {
        (
            signature.generics.span(),
            "a function of a plugin cannot be generic",
        )
    } else if let Some(variadic) = &signature.variadic {
        (
            variadic.span(),
            "a function of a plugin has a fixed number of arguments",
        )
    } else {
        return Ok(());
    };
    Err(Error::new(refusal.0, refusal.1))
}

fn arguments(signature: &syn::Signature) -> Result<Vec<(String, Type)>> {
    let named = |argument: &FnArg| match argument {
        FnArg::Receiver(receiver) => Err(Error::new(
            receiver.span(),
            "a function of a plugin is not a method",
        )),
        FnArg::Typed(argument) => match &*argument.pat {
            Pat::Ident(name) => Ok((unraw(&name.ident), (*argument.ty).clone())),
            other => Err(Error::new(
                other.span(),
                "give the argument a name: SQL and messages show it",
            )),
        },
    };
    signature.inputs.iter().map(named).collect()
}

/// The name without `r#`, and without the underscore of an unused argument.
fn unraw(ident: &Ident) -> String {
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    name.strip_prefix('_').unwrap_or(name).to_owned()
}

/// Whether the type is a reference to an Arrow array, recognised by its name.
fn is_column(ty: &Type) -> bool {
    let Type::Reference(reference) = ty else {
        return false;
    };
    let Type::Path(path) = &*reference.elem else {
        return false;
    };
    path.path.segments.last().is_some_and(|last| {
        let name = last.ident.to_string();
        name.ends_with("Array") || name == "ArrayRef"
    })
}

struct Body {
    accepts: Vec<TokenStream>,
    gives: TokenStream,
    call: TokenStream,
}

fn by_row(ident: &Ident, arguments: &[(String, Type)], output: &Type) -> Body {
    let argument = quote!(::transom_sdk::__private::Argument);
    let accepts = arguments.iter().map(|(_, ty)| {
        quote_spanned!(ty.span()=> ::transom_sdk::__private::Accepts::Exact(<#ty as #argument>::data_type()))
    });
    let accepts = accepts.collect();
    let gives = quote_spanned! {output.span()=>
        ::transom_sdk::__private::Gives::Exact(::transom_sdk::__private::result_type::<#output>())
    };
    let column: Vec<Ident> = (0..arguments.len())
        .map(|index| format_ident!("column_{index}"))
        .collect();
    let index = 0..arguments.len();
    let ty: Vec<&Type> = arguments.iter().map(|(_, ty)| ty).collect();
    let name: Vec<&String> = arguments.iter().map(|(name, _)| name).collect();
    let call = quote! {
        |arguments, rows| {
            #(let column_of: &<#ty as #argument>::Column = ::transom_sdk::__private::argument(arguments, #index)?;
              let #column = ::transom_sdk::__private::of_length(column_of, rows)?;)*
            ::transom_sdk::__private::apply(
                rows,
                &[#(<#ty as #argument>::skips(#column)),*],
                |row| {
                    // SAFETY: every column has `rows` rows, and `apply` counts up to it.
                    ::std::result::Result::Ok(#ident(#(
                        unsafe { <#ty as #argument>::read(#column, row) }
                            .map_err(|reason| ::transom_sdk::__private::unreadable(#name, reason))?
                    ),*))
                },
            )
        }
    };
    Body {
        accepts,
        gives,
        call,
    }
}

fn by_column(ident: &Ident, arguments: &[(String, Type)], output: &Type, first: bool) -> Body {
    let element = |ty: &Type| match ty {
        Type::Reference(reference) => (*reference.elem).clone(),
        other => other.clone(),
    };
    let ty: Vec<Type> = arguments.iter().map(|(_, ty)| element(ty)).collect();
    let accepts = ty
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> <#ty as ::transom_sdk::__private::Column>::accepts()));
    let accepts = accepts.collect();
    let gives = if first {
        quote!(::transom_sdk::__private::Gives::First)
    } else {
        quote_spanned! {output.span()=>
            ::transom_sdk::__private::Gives::Exact(::transom_sdk::__private::column_type::<#output>())
        }
    };
    let index = 0..arguments.len();
    let call = quote! {
        |arguments, _rows| {
            ::transom_sdk::__private::ReturnedColumn::column(#ident(
                #(<#ty as ::transom_sdk::__private::Column>::of(arguments, #index)?),*
            ))
        }
    };
    Body {
        accepts,
        gives,
        call,
    }
}
