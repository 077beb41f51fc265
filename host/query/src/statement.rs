//! A query's text -> a statement, in which a plugin's function may have any name.
//!
//! SQL has a syntax of its own for many functions: `trim(BOTH ' ' FROM x)`, `extract(year FROM x)`, `CAST(x AS INT)`. The parser knows them by
//! name, even behind the name of a plugin. So before it sees them, the two words of `plugin.function(` are quoted: what is quoted is a
//! name and nothing else. It is done to tokens, not to the text, so that errors still point at what the user wrote.

use std::ops::ControlFlow;

use datafusion::common::config::Dialect;
use datafusion::common::{Diagnostic, Result, Span, plan_datafusion_err, plan_err};
use datafusion::error::DataFusionError;
use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName};
use datafusion::sql::sqlparser::dialect::dialect_from_str;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::ParserError;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, Word};
use transom_sql::points;
use transom_sql::walk::visit_expressions_mut;

/// Parses one query.
pub(crate) fn parse(sql: &str, dialect: &Dialect, recursion_limit: usize) -> Result<Statement> {
    let dialect = dialect_from_str(dialect)
        .ok_or_else(|| plan_datafusion_err!("there is no SQL dialect `{dialect}`"))?;
    let tokens = Tokenizer::new(dialect.as_ref(), sql).tokenize_with_location();
    let mut tokens =
        tokens.map_err(|error| DataFusionError::SQL(Box::new(ParserError::from(error)), None))?;
    check_points(&tokens)?;
    quote_functions(&mut tokens);
    let mut statements = DFParserBuilder::new(tokens)
        .with_dialect(dialect.as_ref())
        .with_recursion_limit(recursion_limit)
        .build()?
        .parse_statements()?;
    match (statements.pop_front(), statements.is_empty()) {
        (Some(mut statement), true) => {
            join_names(&mut statement);
            Ok(statement)
        }
        (None, _) => plan_err!("there is no query"),
        (Some(_), false) => plan_err!("a step is one query; there are several"),
    }
}

fn check_points(tokens: &[TokenWithSpan]) -> Result<()> {
    let Some(point) = points::one_too_many(tokens) else {
        return Ok(());
    };
    let error = plan_datafusion_err!(
        "a name has at most {} points, write fields of fields as `a['b']['c']`",
        points::MOST_POINTS
    );
    let span = Span::try_from_sqlparser_span(point.span);
    Err(error.with_diagnostic(Diagnostic::new_error("too many points", span)))
}

/// Quotes `a` and `b` of `a.b(`.
fn quote_functions(tokens: &mut [TokenWithSpan]) {
    let code: Vec<usize> = (0..tokens.len())
        .filter(|&at| !matches!(tokens[at].token, Token::Whitespace(_)))
        .collect();
    for (at, window) in code.windows(4).enumerate() {
        let &[plugin, period, function, bracket] = window else {
            continue;
        };
        let is_call = matches!(tokens[plugin].token, Token::Word(_))
            && tokens[period].token == Token::Period
            && matches!(tokens[function].token, Token::Word(_))
            && tokens[bracket].token == Token::LParen;
        // `a.b.c(` is no plugin's function.
        let is_longer = at > 0 && tokens[code[at - 1]].token == Token::Period;
        if is_call && !is_longer {
            quote(&mut tokens[plugin].token);
            quote(&mut tokens[function].token);
        }
    }
}

/// Names without quotes are in small letters, as everywhere in SQL.
fn quote(token: &mut Token) {
    if let Token::Word(Word {
        value,
        quote_style,
        keyword,
    }) = token
        && quote_style.is_none()
    {
        *value = value.to_lowercase();
        *quote_style = Some('"');
        *keyword = Keyword::NoKeyword;
    }
}

/// Functions of plugins are registered under one name with a period in it.
fn join_names(statement: &mut Statement) {
    let Statement::Statement(statement) = statement else {
        return;
    };
    let _ = visit_expressions_mut(statement.as_mut(), |expression| {
        if let Expr::Function(function) = expression
            && let [plugin, name] = function.name.0.as_slice()
            && let (Some(plugin), Some(name)) = (plugin.as_ident(), name.as_ident())
        {
            let joined = format!("{}.{}", plugin.value, name.value);
            let span = plugin.span.union(&name.span);
            function.name = ObjectName::from(vec![Ident::with_quote_and_span('"', span, joined)]);
        }
        ControlFlow::<()>::Continue(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_many_points_are_an_error_at_once() {
        let path =
            |points: usize, end: &str| format!("SELECT a{}{end} FROM t", ".b".repeat(points));
        let dialect = Dialect::default();
        parse(&path(12, ""), &dialect, 50).unwrap();
        // Neither an expression nor a name: the parser would take years.
        for sql in [path(60, ".case"), path(13, ""), path(60, " . /* . */ not")] {
            let error = parse(&sql, &dialect, 50).unwrap_err();
            assert!(error.to_string().contains("at most 12 points"), "{error}");
            assert!(error.diagnostic().unwrap().span.is_some());
        }
    }

    /// The names of all functions in a query.
    fn functions(sql: &str) -> Vec<String> {
        let mut statement = parse(sql, &Dialect::default(), 50).unwrap_or_else(|error| {
            panic!("{sql}: {error}");
        });
        let Statement::Statement(statement) = &mut statement else {
            panic!("{sql} is a statement");
        };
        let mut names = Vec::new();
        let _ = visit_expressions_mut(statement.as_mut(), |expression| {
            if let Expr::Function(function) = expression {
                names.extend(
                    function
                        .name
                        .0
                        .iter()
                        .map(|part| part.as_ident().unwrap().value.clone()),
                );
            }
            ControlFlow::<()>::Continue(())
        });
        names
    }

    /// All names that SQL has a syntax of its own for, as a function or as a word that begins an expression or a clause.
    const OWN: &[&str] = &[
        "all",
        "and",
        "any",
        "array",
        "as",
        "asc",
        "between",
        "binary",
        "bit_length",
        "by",
        "case",
        "cast",
        "ceil",
        "ceiling",
        "char_length",
        "character_length",
        "coalesce",
        "collate",
        "convert",
        "count",
        "cross",
        "cube",
        "current_catalog",
        "current_date",
        "current_role",
        "current_time",
        "current_timestamp",
        "current_user",
        "date",
        "datetime",
        "day",
        "decimal",
        "default",
        "desc",
        "distinct",
        "double",
        "else",
        "end",
        "except",
        "exists",
        "explain",
        "extract",
        "false",
        "fetch",
        "filter",
        "first",
        "float",
        "floor",
        "for",
        "from",
        "full",
        "glob",
        "group",
        "grouping",
        "having",
        "if",
        "in",
        "inner",
        "insert",
        "int",
        "integer",
        "intersect",
        "interval",
        "into",
        "is",
        "isnull",
        "join",
        "last",
        "lateral",
        "left",
        "like",
        "limit",
        "listagg",
        "localtime",
        "localtimestamp",
        "map",
        "match",
        "merge",
        "mod",
        "month",
        "national",
        "natural",
        "not",
        "notnull",
        "null",
        "nullif",
        "nulls",
        "octet_length",
        "of",
        "offset",
        "on",
        "only",
        "or",
        "order",
        "outer",
        "over",
        "overlay",
        "partition",
        "percent",
        "pivot",
        "position",
        "prior",
        "qualify",
        "real",
        "regexp",
        "replace",
        "right",
        "rlike",
        "rollup",
        "row",
        "rows",
        "safe_cast",
        "second",
        "select",
        "session_user",
        "set",
        "similar",
        "some",
        "struct",
        "substr",
        "substring",
        "sum",
        "symmetric",
        "table",
        "then",
        "time",
        "timestamp",
        "timestamptz",
        "to",
        "top",
        "trim",
        "true",
        "truncate",
        "try_cast",
        "try_convert",
        "union",
        "unique",
        "unknown",
        "unnest",
        "unpivot",
        "update",
        "user",
        "using",
        "uuid",
        "value",
        "values",
        "varchar",
        "when",
        "where",
        "window",
        "with",
        "xmltable",
        "year",
        "zone",
    ];

    #[test]
    fn a_plugins_function_may_have_any_name() {
        for name in OWN {
            for (call, count) in [
                (format!("p.{name}(x, 1)"), 1),
                (format!("p.{name}()"), 1),
                (format!("P . {} (x)", name.to_uppercase()), 1),
                (format!("p.\"{name}\"(x)"), 1),
                (format!("\"p\".{name}(p.{name}(x)) + 1"), 2),
            ] {
                let found = functions(&format!(
                    "SELECT {call} AS y FROM t WHERE {call} IS NOT NULL"
                ));
                assert_eq!(found.len(), 2 * count, "{call}: {found:?}");
                assert!(
                    found.iter().all(|found| *found == format!("p.{name}")),
                    "{call}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_plugin_may_have_any_name_too() {
        for name in OWN {
            assert_eq!(
                functions(&format!("SELECT {name}.f(x) FROM t")),
                [format!("{name}.f")]
            );
        }
    }

    #[test]
    fn quotes_keep_the_case_of_a_name() {
        assert_eq!(
            functions("SELECT p.\"Trim\"(x), P.Trim(x)"),
            ["p.Trim", "p.trim"]
        );
    }

    #[test]
    fn what_is_no_call_of_a_plugins_function_stays_as_it_is() {
        let sql = "SELECT trim(BOTH ' ' FROM t.x), extract(year FROM t.d), t.left, 'p.trim(x)' FROM t JOIN u USING (id) \
                   WHERE t.x IN ('a') -- p.trim(x)";
        assert_eq!(functions(sql), Vec::<String>::new());
        assert_eq!(
            functions("SELECT floor(x), left(x, 2), sum(t.x) FILTER (WHERE t.x > 1) FROM t"),
            ["left", "sum"]
        );
    }

    #[test]
    fn a_step_is_one_query() {
        let error = |sql: &str| parse(sql, &Dialect::default(), 50).unwrap_err().to_string();
        assert!(error("SELECT 1; SELECT 2").contains("one query"));
        assert!(error("-- nothing").contains("no query"));
    }
}
