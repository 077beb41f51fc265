//! `SOUNDEX` and `DIFFERENCE`: how English texts sound, as a letter and three digits.

use arrow::array::{Int32Array, StringArray};
use datafusion::logical_expr::ScalarUDF;

use super::scalar::{by_text, scalar};
use crate::types::{MAX_VARCHAR, Type};

const TEXT: Type = Type::Varchar(MAX_VARCHAR);

pub(super) fn functions() -> Vec<ScalarUDF> {
    vec![
        scalar(
            "redshift_soundex",
            |_| Ok((vec![TEXT], Type::Varchar(4))),
            |columns, _, _| by_text::<_, StringArray>(columns, |values| Ok(Some(code(values[0])))),
        ),
        scalar(
            "redshift_difference",
            |_| Ok((vec![TEXT, TEXT], Type::Int4)),
            |columns, _, _| {
                by_text::<_, Int32Array>(columns, |values| {
                    Ok(Some(alike(&code(values[0]), &code(values[1]))))
                })
            },
        ),
    ]
}

/// Empty for a text without letters of English.
fn code(text: &str) -> String {
    let mut code = String::new();
    let mut last = None;
    let letters = text.chars().filter(char::is_ascii_alphabetic);
    for letter in letters.map(|letter| letter.to_ascii_uppercase()) {
        let digit = match letter {
            'B' | 'F' | 'P' | 'V' => Some('1'),
            'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => Some('2'),
            'D' | 'T' => Some('3'),
            'L' => Some('4'),
            'M' | 'N' => Some('5'),
            'R' => Some('6'),
            // Between two letters of one sound these are not heard; vowels are.
            'H' | 'W' if !code.is_empty() => continue,
            _ => None,
        };
        match digit {
            _ if code.is_empty() => code.push(letter),
            Some(digit) if last != Some(digit) => code.push(digit),
            _ => {}
        }
        last = digit;
        if code.len() == 4 {
            break;
        }
    }
    match code.is_empty() {
        true => code,
        false => format!("{code:0<4}"),
    }
}

/// In how many places two codes are the same. Without letters in one text it is 0, without any in both it is 1.
fn alike(a: &str, b: &str) -> i32 {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => 1,
        (false, false) => {
            let places = a.bytes().zip(b.bytes());
            places.map(|(a, b)| i32::from(a == b)).sum()
        }
        _ => 0,
    }
}
