//! Redshift's dialect for sqlparser: its own one, and what that lacks.

use std::any::TypeId;
use std::iter::Peekable;
use std::str::Chars;

use datafusion::sql::sqlparser::ast::{BinaryOperator, Expr, Ident, UnaryOperator};
use datafusion::sql::sqlparser::dialect::{
    Dialect, PostgreSqlDialect, Precedence, RedshiftSqlDialect,
};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::names::is_reserved;

const BASE: RedshiftSqlDialect = RedshiftSqlDialect {};

#[derive(Debug)]
pub(super) struct Redshift;

/// Whether the word that the parser has just taken is reserved.
fn is_reserved_here(parser: &Parser<'_>) -> bool {
    match &parser.get_current_token().token {
        Token::Word(word) => word.quote_style.is_none() && is_reserved(&word.value),
        _ => false,
    }
}

impl Dialect for Redshift {
    /// The parser asks for the dialect by its type in many places.
    fn dialect(&self) -> TypeId {
        TypeId::of::<RedshiftSqlDialect>()
    }

    /// Of MySQL's backticks, Redshift knows nothing.
    fn is_delimited_identifier_start(&self, letter: char) -> bool {
        letter == '"'
    }

    fn is_nested_delimited_identifier_start(&self, letter: char) -> bool {
        BASE.is_nested_delimited_identifier_start(letter)
    }

    fn peek_nested_delimited_identifier_quotes(
        &self,
        letters: Peekable<Chars<'_>>,
    ) -> Option<(char, Option<char>)> {
        BASE.peek_nested_delimited_identifier_quotes(letters)
    }

    fn is_identifier_start(&self, letter: char) -> bool {
        BASE.is_identifier_start(letter)
    }

    fn is_identifier_part(&self, letter: char) -> bool {
        BASE.is_identifier_part(letter)
    }

    fn convert_type_before_value(&self) -> bool {
        true
    }

    fn supports_connect_by(&self) -> bool {
        true
    }

    fn supports_top_before_distinct(&self) -> bool {
        true
    }

    fn supports_partiql(&self) -> bool {
        true
    }

    fn supports_string_escape_constant(&self) -> bool {
        true
    }

    fn supports_bitwise_shift_operators(&self) -> bool {
        true
    }

    fn allow_extract_single_quotes(&self) -> bool {
        true
    }

    /// Parts have abbreviations, too.
    fn allow_extract_custom(&self) -> bool {
        true
    }

    fn supports_string_literal_backslash_escape(&self) -> bool {
        true
    }

    fn supports_select_wildcard_exclude(&self) -> bool {
        true
    }

    fn supports_select_exclude(&self) -> bool {
        true
    }

    fn supports_create_table_like_parenthesized(&self) -> bool {
        true
    }

    fn supports_string_literal_concatenation_with_newline(&self) -> bool {
        true
    }

    fn supports_window_function_null_treatment_arg(&self) -> bool {
        true
    }

    fn supports_group_by_expr(&self) -> bool {
        true
    }

    fn supports_interval_options(&self) -> bool {
        true
    }

    fn supports_outer_join_operator(&self) -> bool {
        true
    }

    /// PostgreSQL's order of operators, which is Redshift's: `^` before `*` before `+` before all that PostgreSQL 8.0 calls "any other"
    /// before LIKE, BETWEEN and IN before comparisons. IS is below those, as it is since PostgreSQL 9.5.
    fn prec_value(&self, precedence: Precedence) -> u8 {
        PostgreSqlDialect {}.prec_value(precedence)
    }

    /// The other operators, which sqlparser spreads over several levels.
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::StringConcat
            | Token::Sharp
            | Token::ShiftLeft
            | Token::ShiftRight
            | Token::DoubleEq
            | Token::Spaceship
            | Token::Tilde
            | Token::TildeAsterisk
            | Token::ExclamationMarkTilde
            | Token::ExclamationMarkTildeAsterisk
            | Token::DoubleTilde
            | Token::DoubleTildeAsterisk
            | Token::ExclamationMarkDoubleTilde
            | Token::ExclamationMarkDoubleTildeAsterisk => {
                Some(Ok(self.prec_value(Precedence::PgOther)))
            }
            _ => None,
        }
    }

    /// `==`, which sqlparser takes for `=`, is an operator that no type has.
    fn parse_infix(
        &self,
        parser: &mut Parser<'_>,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if parser.peek_token_ref().token != Token::DoubleEq {
            return None;
        }
        parser.next_token();
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| Expr::BinaryOp {
            left: Box::new(left.clone()),
            op: BinaryOperator::Custom("==".to_owned()),
            right: Box::new(right),
        }))
    }

    /// What follows AS in a list is a name, whatever it is.
    fn is_column_alias(&self, keyword: &Keyword, parser: &mut Parser<'_>) -> bool {
        BASE.is_column_alias(keyword, parser) && !is_reserved_here(parser)
    }

    fn is_table_factor_alias(
        &self,
        explicit: bool,
        keyword: &Keyword,
        parser: &mut Parser<'_>,
    ) -> bool {
        BASE.is_table_factor_alias(explicit, keyword, parser) && !is_reserved_here(parser)
    }

    /// `APPROXIMATE COUNT(DISTINCT a)`, and operators before an operand: signs go before `^`, the others after `+`.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        let op = match parser.peek_token().token {
            Token::Minus => Some((UnaryOperator::Minus, Precedence::AtTz)),
            Token::Plus => Some((UnaryOperator::Plus, Precedence::AtTz)),
            Token::PGSquareRoot => Some((UnaryOperator::PGSquareRoot, Precedence::PgOther)),
            Token::PGCubeRoot => Some((UnaryOperator::PGCubeRoot, Precedence::PgOther)),
            Token::AtSign => Some((UnaryOperator::PGAbs, Precedence::PgOther)),
            Token::Tilde => Some((UnaryOperator::BitwiseNot, Precedence::PgOther)),
            _ => None,
        };
        if let Some((op, binding)) = op {
            parser.next_token();
            let operand = parser.parse_subexpr(self.prec_value(binding));
            return Some(operand.map(|expr| Expr::UnaryOp {
                op,
                expr: Box::new(expr),
            }));
        }
        let Token::Word(word) = parser.peek_token().token else {
            return None;
        };
        let is_call = matches!(parser.peek_nth_token(1).token, Token::Word(_))
            && parser.peek_nth_token(2).token == Token::LParen;
        if word.value != "approximate" || word.quote_style.is_some() || !is_call {
            return None;
        }
        parser.next_token();
        Some(parser.parse_prefix().map(|value| Expr::Prefixed {
            prefix: Ident::new("approximate"),
            value: Box::new(value),
        }))
    }
}
