//! `#[transform]`, `#[options]`, `#[state]` and `#[row]`: what stands on a transform's types.

use std::collections::HashSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, DeriveInput, Expr, ExprArray, ExprLit, Fields, ItemStruct, Lit, LitStr, Meta, Result,
};

/// The doc comment, one leading space off every line.
pub fn documentation(attributes: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attribute in attributes {
        let Meta::NameValue(meta) = &attribute.meta else {
            continue;
        };
        if !meta.path.is_ident("doc") {
            continue;
        }
        if let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &meta.value
        {
            let text = text.value();
            lines.push(
                text.strip_prefix(' ')
                    .unwrap_or(&text)
                    .trim_end()
                    .to_owned(),
            );
        }
    }
    lines.join("\n").trim().to_owned()
}

pub fn transform(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut name: Option<LitStr> = None;
    let mut partition_by = Vec::new();
    let mut order_by = Vec::new();
    let parser = syn::meta::parser(|meta| {
        if meta.path.is_ident("name") {
            name = Some(meta.value()?.parse()?);
        } else if meta.path.is_ident("partition_by") {
            let columns = meta.value()?.parse::<ExprArray>()?.elems;
            partition_by = columns.iter().map(column).collect::<Result<_>>()?;
        } else if meta.path.is_ident("order_by") {
            let keys = meta.value()?.parse::<ExprArray>()?.elems;
            order_by = keys.iter().map(sort_key).collect::<Result<_>>()?;
        } else {
            return Err(meta.error("expected `name`, `partition_by` or `order_by`"));
        }
        Ok(())
    });
    syn::parse::Parser::parse2(parser, options)?;
    let mut columns = HashSet::new();
    for column in partition_by
        .iter()
        .chain(order_by.iter().map(|(column, _)| column))
    {
        if !columns.insert(column.value()) {
            return Err(syn::Error::new_spanned(
                column,
                format!("the column `{}` is there already", column.value()),
            ));
        }
    }
    let (sorted, descending): (Vec<LitStr>, Vec<bool>) = order_by.into_iter().unzip();
    let item: DeriveInput = syn::parse2(item)?;
    let ident = &item.ident;
    let name = name.map_or_else(|| snake_case(&ident.to_string()), |name| name.value());
    let doc = documentation(&item.attrs);
    let (generics, arguments, bounds) = item.generics.split_for_impl();
    Ok(quote! {
        #item

        impl #generics ::transom_sdk::Described for #ident #arguments #bounds {
            const NAME: &'static str = #name;
            const DOC: &'static str = #doc;
            const PARTITION_BY: &'static [&'static str] = &[#(#partition_by),*];
            const ORDER_BY: &'static [::transom_sdk::SortKey] = &[
                #(::transom_sdk::SortKey { column: #sorted, descending: #descending }),*
            ];
        }
    })
}

fn column(expression: &Expr) -> Result<LitStr> {
    match expression {
        Expr::Lit(ExprLit {
            lit: Lit::Str(name),
            ..
        }) => Ok(name.clone()),
        other => Err(syn::Error::new_spanned(
            other,
            "expected the name of a column, such as `\"id\"`",
        )),
    }
}

/// A column, and whether its largest values come first: `"id"` or `desc("id")`.
fn sort_key(expression: &Expr) -> Result<(LitStr, bool)> {
    match expression {
        Expr::Call(call) => match (&*call.func, call.args.first()) {
            (Expr::Path(function), Some(argument))
                if function.path.is_ident("desc") && call.args.len() == 1 =>
            {
                Ok((column(argument)?, true))
            }
            _ => Err(syn::Error::new_spanned(
                call,
                "expected `desc(\"..\")` with the name of a column",
            )),
        },
        other => Ok((column(other)?, false)),
    }
}

pub fn options(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    nothing(options)?;
    let item: DeriveInput = syn::parse2(item)?;
    Ok(quote! {
        #[derive(::transom_sdk::serde::Deserialize, ::transom_sdk::schemars::JsonSchema)]
        #[serde(crate = "::transom_sdk::serde", deny_unknown_fields)]
        #[schemars(crate = "::transom_sdk::schemars")]
        #item
    })
}

pub fn state(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    nothing(options)?;
    let item: DeriveInput = syn::parse2(item)?;
    Ok(quote! {
        #[derive(::transom_sdk::serde::Serialize, ::transom_sdk::serde::Deserialize)]
        #[serde(crate = "::transom_sdk::serde", deny_unknown_fields)]
        #item
    })
}

pub fn row(options: TokenStream, item: TokenStream) -> Result<TokenStream> {
    nothing(options)?;
    let mut item: ItemStruct = syn::parse2(item)?;
    let Fields::Named(fields) = &mut item.fields else {
        return Err(syn::Error::new_spanned(
            &item.ident,
            "a row is a struct whose fields have names: those of its columns",
        ));
    };
    if !item.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &item.generics,
            "a row borrows nothing and has no parameters: a text is a `String`",
        ));
    }
    let (mut idents, mut types, mut names) = (Vec::new(), Vec::new(), Vec::<String>::new());
    for field in &mut fields.named {
        let Some(ident) = field.ident.clone() else {
            continue;
        };
        let mut name = ident.to_string().trim_start_matches("r#").to_owned();
        if let Some(at) = field
            .attrs
            .iter()
            .position(|attribute| attribute.path().is_ident("column"))
        {
            name = field.attrs.remove(at).parse_args::<LitStr>()?.value();
        }
        if names.contains(&name) {
            return Err(syn::Error::new_spanned(
                &ident,
                format!("another field is the column `{name}` already"),
            ));
        }
        idents.push(ident);
        types.push(field.ty.clone());
        names.push(name);
    }
    let ident = &item.ident;
    let places = 0..idents.len();
    Ok(quote! {
        #item

        impl ::transom_sdk::Row for #ident {
            fn columns() -> ::std::vec::Vec<::transom_sdk::arrow_schema::Field> {
                ::std::vec![#(::transom_sdk::__private::column_of::<#types>(#names)),*]
            }

            fn read(
                columns: &[::transom_sdk::arrow_array::ArrayRef],
                row: usize,
            ) -> ::std::result::Result<Self, ::std::string::String> {
                ::std::result::Result::Ok(Self {
                    #(#idents: ::transom_sdk::__private::read_cell::<#types>(&columns[#places], row, #names)?),*
                })
            }

            fn write(
                rows: ::std::vec::Vec<Self>,
            ) -> ::std::result::Result<::std::vec::Vec<::transom_sdk::arrow_array::ArrayRef>, ::transom_sdk::Error> {
                #(let mut #idents = ::transom_sdk::__private::Cells::<#types>::new(#names, rows.len());)*
                for row in rows {
                    #(#idents.add(row.#idents)?;)*
                }
                ::std::result::Result::Ok(::std::vec![#(#idents.finish()),*])
            }
        }
    })
}

fn nothing(options: TokenStream) -> Result<()> {
    if options.is_empty() {
        Ok(())
    } else {
        Err(syn::Error::new_spanned(options, "nothing stands here"))
    }
}

/// `GapsAndIslands` as `gaps_and_islands`.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.trim_start_matches("r#").chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_name_becomes_a_pipeline_name() {
        assert_eq!(snake_case("GapsAndIslands"), "gaps_and_islands");
        assert_eq!(snake_case("Visits"), "visits");
    }

    #[test]
    fn a_doc_comment_keeps_its_lines() {
        let item: DeriveInput = syn::parse_quote! {
            /// One.
            ///
            ///   Two.
            struct Any;
        };
        assert_eq!(documentation(&item.attrs), "One.\n\n  Two.");
    }
}
