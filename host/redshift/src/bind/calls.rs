//! Calls of functions: only those of the table, each as what computes it.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentClause, FunctionArgumentList, FunctionArguments, OrderByExpr, UnaryOperator,
    Value, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowSpec, WindowType,
};

use transom_sql::walk::visit_expressions;

use super::expr::{any, binary, call, call_cast, is_random, moment};
use super::names::ident;
use super::scope::is_same;
use super::{Binder, syntax, unsupported};
use crate::error::{self, Error, Result};
use crate::functions::{self, How, Special};

impl Binder<'_> {
    /// A call that SQL writes in another way.
    pub(super) fn call_by_name(&mut self, name: &str, arguments: Vec<Expr>) -> Result<Expr> {
        match call(name, arguments) {
            Expr::Function(function) => self.function(function),
            other => Ok(other),
        }
    }

    pub(super) fn function(&mut self, function: Function) -> Result<Expr> {
        let Function {
            name,
            uses_odbc_syntax: false,
            parameters: FunctionArguments::None,
            args,
            filter,
            null_treatment,
            over,
            within_group,
        } = function
        else {
            return Err(syntax("{"));
        };
        let parts = super::plain_name(&name);
        let name = match parts.as_slice() {
            [name] => name.clone(),
            [schema, name] if schema == "pg_catalog" => name.clone(),
            _ => return Err(Error::new(&error::UNDEFINED_FUNCTION, &[&parts.join(".")])),
        };
        if filter.is_some() {
            return Err(unsupported("FILTER in an aggregate function"));
        }
        let (duplicates, arguments, clauses) = match args {
            FunctionArguments::None => (None, Vec::new(), Vec::new()),
            FunctionArguments::List(list) => (list.duplicate_treatment, list.args, list.clauses),
            FunctionArguments::Subquery(_) => return Err(syntax("select")),
        };
        let is_distinct = duplicates == Some(DuplicateTreatment::Distinct);
        if over.is_some() && is_distinct && name != "listagg" {
            return Err(unsupported("DISTINCT in a window function"));
        }
        let mut null_treatment = null_treatment;
        for clause in clauses {
            match clause {
                FunctionArgumentClause::IgnoreOrRespectNulls(treatment) => {
                    null_treatment = Some(treatment);
                }
                other => {
                    let text = other.to_string().to_lowercase();
                    return Err(syntax(text.split(' ').next().unwrap_or_default()));
                }
            }
        }
        if name == "random" {
            self.note_random();
        }
        let Some(known) = functions::find(&name) else {
            if functions::is_to_come(&name) {
                return Err(Error::not_yet(format_args!("the function {name}()")));
            }
            return Err(Error::new(&error::UNDEFINED_FUNCTION, &[&name]));
        };
        if !(known.least..=known.most).contains(&arguments.len()) {
            let unknown = vec!["unknown"; arguments.len()].join(", ");
            return Err(Error::new(&error::WRONG_ARGUMENTS, &[&name, &unknown]));
        }
        let is_window = matches!(known.how, How::Ranking(_) | How::Framed(_));
        if is_window && over.is_none() {
            return Err(syntax(&name).hint("a window function needs OVER"));
        }
        // Some of the others take no order, and say so.
        let is_framed = !matches!(
            known.how,
            How::Ranking(_)
                | How::Special(
                    Special::ListAgg
                        | Special::PercentileCont
                        | Special::PercentileDisc
                        | Special::Median
                        | Special::RatioToReport
                )
        );
        let rows = matches!(
            known.how,
            How::Aggregate(_)
                | How::Ranking(_)
                | How::Framed(_)
                | How::Special(
                    Special::ListAgg
                        | Special::PercentileCont
                        | Special::PercentileDisc
                        | Special::Median
                        | Special::Sum
                        | Special::Avg
                        | Special::Extreme(_)
                        | Special::RatioToReport
                )
        );
        let is_over = over.is_some();
        let before = rows.then(|| self.begin_call());
        let over = over.map(|over| self.over(over, is_framed)).transpose()?;
        let within_group = self.orders(within_group)?;
        let rest = Rest {
            duplicates,
            over,
            within_group,
            null_treatment,
        };
        let call = match known.how {
            How::NotYet => return Err(Error::not_yet(format_args!("the function {name}()"))),
            How::As(computed) => {
                if rest.is_aggregate() {
                    return Err(syntax("over"));
                }
                let since = self.copied;
                let arguments = self.plain_arguments(arguments)?;
                // DataFusion computes it as a CASE of values and whether they are NULL.
                if computed == "redshift_coalesce" {
                    self.note_copies(since, 1)?;
                }
                call(computed, arguments)
            }
            How::Aggregate(computed) | How::Ranking(computed) | How::Framed(computed) => {
                if computed == "nth_value" {
                    check_offset(&arguments)?;
                }
                self.aggregate(computed, arguments, rest)?
            }
            How::Special(special) => self.special(special, &name, arguments, rest)?,
        };
        if let Some(before) = before {
            self.end_call(before, is_over)?;
        }
        Ok(call)
    }

    fn plain_arguments(&mut self, arguments: Vec<FunctionArg>) -> Result<Vec<Expr>> {
        arguments
            .into_iter()
            .map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => self.expr(expr),
                _ => Err(syntax("*")),
            })
            .collect()
    }

    fn aggregate(&mut self, name: &str, arguments: Vec<FunctionArg>, rest: Rest) -> Result<Expr> {
        let args = match arguments.as_slice() {
            [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)]
                if name == "count" && rest.duplicates.is_none() =>
            {
                arguments
            }
            [] if name == "count" => return Err(syntax(")")),
            _ => {
                let arguments = self.plain_arguments(arguments)?;
                let arguments = arguments.into_iter();
                arguments
                    .map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument)))
                    .collect()
            }
        };
        Ok(aggregate(name, args, rest))
    }

    fn over(&mut self, over: WindowType, is_framed: bool) -> Result<WindowType> {
        let WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by,
            order_by,
            window_frame,
        }) = over
        else {
            return Err(syntax("over"));
        };
        match &window_frame {
            None if is_framed && !order_by.is_empty() => {
                return Err(
                    Error::new(&error::FRAME_REQUIRED, &[]).hint("add ROWS UNBOUNDED PRECEDING")
                );
            }
            Some(frame) if frame.units != WindowFrameUnits::Rows => {
                return Err(syntax("range"));
            }
            Some(frame) => check_frame(frame)?,
            None => {}
        }
        let partition_by = self.exprs(partition_by)?;
        let order_by = self.orders(order_by)?;
        let refused = |clause: &str| Error::new(&error::CONSTANT_IN_WINDOW, &[&clause]);
        if partition_by.iter().any(is_constant) {
            return Err(refused("partition by"));
        }
        if order_by.iter().any(|order| is_constant(&order.expr)) {
            return Err(refused("order by"));
        }
        Ok(WindowType::WindowSpec(WindowSpec {
            window_name: None,
            partition_by,
            order_by,
            window_frame,
        }))
    }

    pub(super) fn approximate(&mut self, expr: Expr) -> Result<Expr> {
        let refused =
            || Error::not_yet("APPROXIMATE other than COUNT(DISTINCT ..) and PERCENTILE_DISC");
        let Expr::Function(mut function) = expr else {
            return Err(refused());
        };
        let name = super::plain_name(&function.name);
        let is_distinct = matches!(
            &function.args,
            FunctionArguments::List(list)
                if list.duplicate_treatment == Some(DuplicateTreatment::Distinct)
        );
        match name.as_slice() {
            // Exact counts are approximate ones, too, and so are percentiles.
            [name] if name == "count" && is_distinct => {}
            [name] if name == "percentile_disc" && function.over.is_none() => {
                function.name = ident(functions::APPROXIMATE_PERCENTILE).into();
            }
            _ => return Err(refused()),
        }
        self.function(function)
    }

    fn special(
        &mut self,
        special: Special,
        name: &str,
        arguments: Vec<FunctionArg>,
        rest: Rest,
    ) -> Result<Expr> {
        let aggregates = matches!(
            special,
            Special::ListAgg
                | Special::PercentileCont
                | Special::PercentileDisc
                | Special::Median
                | Special::Sum
                | Special::Avg
                | Special::Extreme(_)
                | Special::RatioToReport
        );
        if !aggregates && rest.is_aggregate() {
            return Err(syntax("over"));
        }
        let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
        let whole = |value: i64| {
            let literal = Expr::value(Value::Number(value.to_string(), false));
            call_cast(functions::CAST, literal, "bigint")
        };
        // Of a statement; -1 if there was none.
        let number = |id: Option<u64>| {
            let id = id.map_or_else(|| "-1".to_owned(), |id| id.to_string());
            call_cast(functions::CAST, text(&id), "bigint")
        };
        match special {
            Special::GetDate => {
                // GETDATE has whole seconds.
                let unit = if name == "getdate" { 1_000_000 } else { 1 };
                let now = self.context.now.div_euclid(unit) * unit;
                Ok(moment(now, "timestamp"))
            }
            Special::CurrentDate => {
                let date = crate::types::show::timestamp(self.context.now);
                Ok(call_cast(functions::CAST, text(&date), "date"))
            }
            Special::LeaderMoment => {
                self.leader = Some(format!("{name}()"));
                let data_type = match name {
                    "current_time" | "localtime" => "time",
                    "localtimestamp" => "timestamp",
                    _ => "timestamptz",
                };
                match data_type {
                    "time" => {
                        let now = moment(self.context.now, "timestamp");
                        Ok(call_cast(functions::CAST, now, "time"))
                    }
                    data_type => Ok(moment(self.context.now, data_type)),
                }
            }
            Special::LeaderPrivilege => {
                self.leader = Some(format!("{name}()"));
                // There is one user, who owns everything.
                Ok(Expr::value(Value::Boolean(true)))
            }
            Special::LeaderToCome => {
                self.plain_arguments(arguments)?;
                self.leader = Some(format!("{name}()"));
                Ok(call(functions::LEADER_TO_COME, vec![text(name)]))
            }
            Special::CurrentUser => Ok(text(&self.context.user)),
            Special::CurrentDatabase => Ok(text(&self.context.database)),
            Special::CurrentSchema => {
                self.leader = Some(format!("{name}()"));
                Ok(match self.context.path.first() {
                    Some(schema) => text(self.catalog.schema_name(*schema)),
                    None => Expr::value(Value::Null),
                })
            }
            Special::Version => Ok(text(VERSION)),
            Special::BackendPid => Ok(Expr::value(Value::Number(
                self.context.pid.to_string(),
                false,
            ))),
            Special::LastCopyCount => Ok(whole(self.context.last_copy)),
            Special::LastUnloadCount => Ok(whole(self.context.last_unload)),
            Special::LastQueryId => Ok(number(self.context.last_ids.query)),
            Special::LastCopyId => Ok(number(self.context.last_ids.copy)),
            Special::LastUnloadId => Ok(number(self.context.last_ids.unload)),
            Special::CurrentSetting => {
                let arguments = self.plain_arguments(arguments)?;
                match arguments.as_slice() {
                    [Expr::Value(name)] => match &name.value {
                        Value::SingleQuotedString(name) => {
                            Ok(text(&self.context.setting(&name.to_lowercase())?))
                        }
                        other => Err(syntax(&other.to_string())),
                    },
                    _ => Err(Error::not_yet("CURRENT_SETTING of a name that is computed")),
                }
            }
            Special::TimeOfDay => Ok(text(&time_of_day(self.context.now))),
            Special::DatePartYear => {
                let mut all = vec![text("year")];
                let dates = self.plain_arguments(arguments)?.into_iter();
                all.extend(dates.map(|date| call_cast(functions::CAST, date, "date")));
                Ok(call("redshift_extract", all))
            }
            Special::IntervalCmp => {
                let arguments = self.plain_arguments(arguments)?.into_iter();
                let intervals = arguments.map(super::intervals::of_text);
                let intervals = intervals.collect::<Result<_>>()?;
                Ok(call("redshift_interval_cmp", intervals))
            }
            Special::Owner => Ok(text(crate::run::system::OWNER)),
            Special::NoText => Ok(call_cast(
                functions::CAST,
                Expr::value(Value::Null),
                "character varying(256)",
            )),
            Special::DatePart(computed) => self.date_part(computed, arguments),
            Special::Sum => self.sum(arguments, rest),
            Special::Extreme(name) => {
                let input = call(
                    &format!("redshift_{name}_input"),
                    self.plain_arguments(arguments)?,
                );
                let input = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(input))];
                Ok(aggregate(name, input, rest))
            }
            Special::RatioToReport => self.ratio_to_report(arguments, rest),
            Special::Avg => {
                // The count divides the sum; the least value has the type that decides what comes out.
                let sum = self.sum(arguments.clone(), rest.clone())?;
                let count = self.aggregate("count", arguments.clone(), rest.clone())?;
                let value = self.aggregate("min", arguments, rest)?;
                Ok(call("redshift_average", vec![sum, count, value]))
            }
            Special::ListAgg => self.list(arguments, rest),
            Special::PercentileCont => {
                self.is_for_tables = true;
                if let ([order], None) = (rest.within_group.as_slice(), &rest.over) {
                    self.note_within(vec![order.expr.clone()])?;
                }
                self.percentile_cont(arguments, rest)
            }
            Special::PercentileDisc => self.percentile_disc(name, arguments, rest),
            Special::Median => self.median(arguments, rest),
            _ => {
                let since = self.copied;
                let arguments = self.plain_arguments(arguments)?;
                if matches!(special, Special::Decode | Special::NullIf) {
                    self.note_copies(since, arguments.len() / 2)?;
                }
                self.rewritten(special, arguments)
            }
        }
    }

    /// `LISTAGG`: values as texts with a delimiter between them. Of a window it is the list of the whole partition.
    fn list(&mut self, mut arguments: Vec<FunctionArg>, mut rest: Rest) -> Result<Expr> {
        self.is_for_tables = true;
        let text = |text: &str| Expr::value(Value::SingleQuotedString(text.to_owned()));
        if arguments.len() == 1 {
            arguments.push(FunctionArg::Unnamed(FunctionArgExpr::Expr(text(""))));
        }
        let order = std::mem::take(&mut rest.within_group);
        if !order.is_empty() && rest.over.is_none() {
            let values = order.iter().map(|order| order.expr.clone());
            self.note_within(values.collect())?;
        }
        // What stands again is left out of the list of all, where values that differ by blanks at the end are the same.
        let is_distinct = rest.duplicates.take() == Some(DuplicateTreatment::Distinct);
        let delimiter = match arguments.as_mut_slice() {
            [
                _,
                FunctionArg::Unnamed(FunctionArgExpr::Expr(delimiter @ Expr::Value(_))),
            ] if is_distinct => Some(std::mem::replace(delimiter, text(functions::BETWEEN))),
            _ if is_distinct => {
                return Err(Error::not_yet(
                    "LISTAGG(DISTINCT ..) with a delimiter that is computed",
                ));
            }
            _ => None,
        };
        let mut arguments = self.plain_arguments(arguments)?;
        if let Some(value) = arguments.first_mut() {
            // Where a value stands that comes several times would not be known.
            if is_distinct && order.iter().any(|order| !is_same(&order.expr, value)) {
                return Err(Error::not_yet(
                    "LISTAGG(DISTINCT ..) in the order of another expression",
                ));
            }
            let given = std::mem::replace(value, Expr::value(Value::Null));
            *value = call("redshift_listagg_input", vec![given]);
        }
        let arguments = arguments.into_iter().map(FunctionArgExpr::Expr);
        let arguments = arguments.map(FunctionArg::Unnamed).collect();
        let list = match &mut rest.over {
            Some(WindowType::WindowSpec(window)) => {
                if !window.order_by.is_empty() || window.window_frame.is_some() {
                    return Err(syntax("order").hint("listagg takes PARTITION BY alone in OVER"));
                }
                if !order.is_empty() {
                    window.order_by = order;
                    window.window_frame = Some(WindowFrame {
                        units: WindowFrameUnits::Rows,
                        start_bound: WindowFrameBound::Preceding(None),
                        end_bound: Some(WindowFrameBound::Following(None)),
                    });
                }
                aggregate("string_agg", arguments, rest)
            }
            _ => ordered(aggregate("string_agg", arguments, rest), order),
        };
        Ok(match delimiter {
            Some(delimiter) => {
                let delimiter = self.expr(delimiter)?;
                call("redshift_listagg_distinct", vec![list, delimiter])
            }
            None => call("redshift_listagg", vec![list]),
        })
    }

    /// The value in the middle, or what is between the two.
    fn median(&mut self, arguments: Vec<FunctionArg>, rest: Rest) -> Result<Expr> {
        self.is_for_tables = true;
        let arguments = self.plain_arguments(arguments)?;
        if let ([value], None) = (arguments.as_slice(), &rest.over) {
            self.note_within(vec![value.clone()])?;
        }
        let input = call("redshift_median_input", arguments);
        let input = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(input))];
        Ok(aggregate("median", input, rest))
    }

    /// As an aggregate, DataFusion has it by its own name; as a window function, it has the value before the percentile.
    fn percentile_cont(&mut self, arguments: Vec<FunctionArg>, rest: Rest) -> Result<Expr> {
        if rest.over.is_none() {
            return self.aggregate("percentile_cont", arguments, rest);
        }
        let (percentile, order, rest) = self.percentile("percentile_cont", arguments, rest)?;
        let mut share = percentile.to_string();
        // From the other end, it is what is left of 1, in as many digits: of 0.9 it is 0.1, and not a little less.
        if is_descending(&order) {
            let digits = share.split_once('.').map_or(0, |(_, behind)| behind.len());
            share = format!("{:.digits$}", 1.0 - percentile);
        }
        let share = Expr::value(Value::Number(share, false));
        Ok(aggregate(
            "percentile_cont",
            unnamed([order.expr, share]),
            rest,
        ))
    }

    /// Redshift has it as a window function, and as an aggregate that may approximate.
    fn percentile_disc(
        &mut self,
        name: &str,
        arguments: Vec<FunctionArg>,
        rest: Rest,
    ) -> Result<Expr> {
        self.is_for_tables = true;
        if rest.over.is_none() && name != functions::APPROXIMATE_PERCENTILE {
            let refused = Error::not_yet("PERCENTILE_DISC without APPROXIMATE or OVER");
            return Err(refused.hint("write APPROXIMATE PERCENTILE_DISC"));
        }
        let (percentile, order, rest) = self.percentile("percentile_disc", arguments, rest)?;
        let share = Expr::value(Value::Number(percentile.to_string(), false));
        let descending = Expr::value(Value::Boolean(is_descending(&order)));
        let arguments = unnamed([order.expr, share, descending]);
        Ok(aggregate(functions::PERCENTILE_DISC, arguments, rest))
    }

    /// The percentile of a call, what its values are ordered by, and the rest of the call.
    fn percentile(
        &mut self,
        name: &str,
        arguments: Vec<FunctionArg>,
        mut rest: Rest,
    ) -> Result<(f64, OrderByExpr, Rest)> {
        if let Some(WindowType::WindowSpec(window)) = &rest.over
            && (!window.order_by.is_empty() || window.window_frame.is_some())
        {
            return Err(syntax("order").hint(format!("{name} takes PARTITION BY alone in OVER")));
        }
        if rest.duplicates.is_some() || rest.null_treatment.is_some() {
            return Err(syntax(name));
        }
        let mut order = std::mem::take(&mut rest.within_group).into_iter();
        let (Some(order), None) = (order.next(), order.next()) else {
            return Err(syntax(name).hint("write WITHIN GROUP (ORDER BY one expression)"));
        };
        let arguments = self.plain_arguments(arguments)?;
        let percentile = match arguments.as_slice() {
            [Expr::Value(value)] => match &value.value {
                Value::Number(digits, false) => digits.parse::<f64>().ok(),
                _ => None,
            },
            _ => None,
        };
        let Some(percentile) = percentile else {
            return Err(Error::not_yet(
                "a percentile that is no number as it is written",
            ));
        };
        match (0.0..=1.0).contains(&percentile) {
            true => Ok((percentile, order, rest)),
            false => Err(Error::new(&error::INVALID_ARGUMENT, &[&name, &percentile])
                .hint("a number between 0 and 1")),
        }
    }

    fn sum(&mut self, arguments: Vec<FunctionArg>, rest: Rest) -> Result<Expr> {
        let arguments = self.plain_arguments(arguments)?;
        let input = call("redshift_sum_input", arguments);
        let input = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(input))];
        Ok(aggregate("sum", input, rest))
    }

    /// The share that a value has in the sum of its partition.
    fn ratio_to_report(&mut self, arguments: Vec<FunctionArg>, rest: Rest) -> Result<Expr> {
        match &rest.over {
            Some(WindowType::WindowSpec(window)) => {
                if !window.order_by.is_empty() || window.window_frame.is_some() {
                    return Err(syntax("order").hint("ratio_to_report takes PARTITION BY alone"));
                }
            }
            _ => return Err(syntax("ratio_to_report").hint("a window function needs OVER")),
        }
        let value = self.plain_arguments(arguments)?.pop();
        let value = value.unwrap_or(Expr::value(Value::Null));
        let value = call_cast(functions::CAST, value, "double precision");
        let summed = vec![FunctionArg::Unnamed(FunctionArgExpr::Expr(value.clone()))];
        let sum = aggregate("sum", summed, rest);
        Ok(binary(value, BinaryOperator::Divide, sum))
    }

    /// Functions of expressions that are other expressions.
    fn rewritten(&mut self, special: Special, arguments: Vec<Expr>) -> Result<Expr> {
        let mut arguments = arguments.into_iter();
        let mut next = || arguments.next().unwrap_or(Expr::value(Value::Null));
        Ok(match special {
            Special::First => next(),
            Special::IsVisible => self.is_visible(next()),
            Special::IndexDefinition | Special::ViewDefinition => {
                let definitions = match special {
                    Special::ViewDefinition => crate::run::system::view_definitions(self.catalog),
                    _ => crate::run::system::index_definitions(self.catalog),
                };
                let number = next();
                let texts = definitions.into_iter().map(|(id, definition)| {
                    let id = Expr::value(Value::Number(id.to_string(), false));
                    let is_meant = binary(number.clone(), BinaryOperator::Eq, id);
                    (is_meant, Expr::value(Value::SingleQuotedString(definition)))
                });
                let text = match texts.len() {
                    0 => Expr::value(Value::Null),
                    _ => case(texts.collect(), None),
                };
                call_cast(functions::CAST, text, "character varying(65535)")
            }
            Special::Concat => binary(next(), BinaryOperator::StringConcat, next()),
            Special::CharIndex => {
                let (what, within) = (next(), next());
                call("strpos", vec![within, what])
            }
            Special::Trunc => {
                let value = next();
                match arguments.next() {
                    Some(digits) if written_number(&digits).is_some() => {
                        let cut = call("trunc", vec![value, digits.clone()]);
                        call(SCALED, vec![cut, digits])
                    }
                    Some(digits) => call("trunc", vec![value, digits]),
                    None => call("redshift_trunc", vec![value]),
                }
            }
            Special::Whole(name) => {
                let none = Expr::value(Value::Number("0".to_owned(), false));
                call(SCALED, vec![call(name, vec![next()]), none])
            }
            Special::Nvl2 => {
                let (value, given, missing) = (next(), next(), next());
                case(
                    vec![(Expr::IsNotNull(Box::new(value)), given)],
                    Some(missing),
                )
            }
            Special::NullIf => {
                let (value, other) = (next(), next());
                if is_random(&value) {
                    return Err(Error::not_yet("NULLIF of a random value"));
                }
                // Compared as `=` compares, as CASE with an operand is.
                let is_equal = binary(value.clone(), BinaryOperator::Eq, other);
                case(vec![(is_equal, Expr::value(Value::Null))], Some(value))
            }
            Special::Decode => {
                let value = next();
                if is_random(&value) {
                    return Err(Error::not_yet("DECODE of a random value"));
                }
                let rest: Vec<Expr> = arguments.collect();
                let mut pairs = rest.chunks(2);
                let mut conditions = Vec::new();
                let mut otherwise = None;
                for pair in pairs.by_ref() {
                    match pair {
                        [search, result] => {
                            // NULL is equal to NULL here.
                            let both = binary(
                                Expr::IsNull(Box::new(value.clone())),
                                BinaryOperator::And,
                                Expr::IsNull(Box::new(search.clone())),
                            );
                            let is_equal =
                                binary(value.clone(), BinaryOperator::Eq, search.clone());
                            let condition = match search {
                                Expr::Value(literal) if literal.value != Value::Null => is_equal,
                                _ => binary(
                                    is_equal,
                                    BinaryOperator::Or,
                                    Expr::Nested(Box::new(both)),
                                ),
                            };
                            conditions.push((condition, result.clone()));
                        }
                        [last] => otherwise = Some(last.clone()),
                        _ => {}
                    }
                }
                case(conditions, otherwise)
            }
            _ => return Err(Error::internal("a function without an expression")),
        })
    }

    /// Whether a number is one of the objects that names without a schema find.
    fn is_visible(&self, number: Expr) -> Expr {
        let mut found = BTreeMap::new();
        for schema in std::iter::once(&self.context.temporary).chain(&self.context.path) {
            for object in self.catalog.objects() {
                let (within, name) = object.key();
                if within == *schema {
                    found.entry(name).or_insert(object.id());
                }
            }
        }
        let numbers = found.into_values();
        let numbers = numbers.map(|id| Expr::value(Value::Number(id.to_string(), false)));
        any(
            number,
            numbers.collect(),
            &BinaryOperator::Eq,
            &BinaryOperator::Or,
        )
    }

    /// `EXTRACT(part FROM value)` has whole numbers, but for moments with a zone.
    pub(super) fn extract(&mut self, part: &str, value: Expr) -> Result<Expr> {
        let part = part.trim_matches('\'').to_lowercase();
        let computed = match part_of_date(&part) {
            Some("epoch") => "redshift_extract_epoch",
            _ => "redshift_extract",
        };
        let part = Expr::value(Value::SingleQuotedString(part));
        let arguments = [part, value].map(|part| FunctionArg::Unnamed(FunctionArgExpr::Expr(part)));
        self.date_part(computed, arguments.to_vec())
    }

    /// The part is a word or a text; DataFusion knows texts.
    fn date_part(&mut self, computed: &str, arguments: Vec<FunctionArg>) -> Result<Expr> {
        let mut arguments = arguments.into_iter();
        let part = match arguments.next() {
            Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(part))) => part,
            _ => return Err(syntax("*")),
        };
        let part = match part {
            Expr::Identifier(word) if computed != "date_trunc" => word.value,
            Expr::Value(value) => match value.value {
                Value::SingleQuotedString(text) => text.to_lowercase(),
                other => return Err(syntax(&other.to_string())),
            },
            other => return Err(syntax(&other.to_string())),
        };
        if part.trim().starts_with("timezone") {
            return Err(Error::not_yet("time zones as parts of dates"));
        }
        let Some(part) = part_of_date(&part) else {
            let message = Error::new(&error::INVALID_ARGUMENT, &[&"date part", &part]);
            return Err(message);
        };
        let mut all = vec![Expr::value(Value::SingleQuotedString(part.to_owned()))];
        all.extend(self.plain_arguments(arguments.collect())?);
        if computed == "date_trunc" {
            // A literal is a timestamp.
            if let Some(Expr::Value(value)) = all.get(1)
                && matches!(value.value, Value::SingleQuotedString(_))
            {
                let literal = all.swap_remove(1);
                all.push(call_cast(functions::CAST, literal, "timestamp"));
            }
        }
        Ok(call(computed, all))
    }
}

/// What Redshift answers to `version()`.
pub(crate) const VERSION: &str = "PostgreSQL 8.0.2 on i686-pc-linux-gnu, compiled by GCC gcc (GCC) 3.4.2 20041017 \
    (Red Hat 3.4.2-6.fc3), Redshift 1.0.0 (transom local)";

/// What a call has beside its arguments.
#[derive(Clone)]
struct Rest {
    duplicates: Option<DuplicateTreatment>,
    over: Option<WindowType>,
    within_group: Vec<OrderByExpr>,
    null_treatment: Option<datafusion::sql::sqlparser::ast::NullTreatment>,
}

/// Cuts a decimal, which has nothing but zeros there, behind so many digits. They are written as a number.
const SCALED: &str = "redshift_scaled";

/// A whole number that is written as it is, which plans have as a literal.
fn written_number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Nested(inner) => written_number(inner),
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => number(expr)?.checked_neg(),
        expr => number(expr),
    }
}

fn number(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// An error for the offset of NTH_VALUE if it counts from less than 1.
fn check_offset(arguments: &[FunctionArg]) -> Result<()> {
    let number = match arguments.get(1) {
        Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(offset))) => written_number(offset),
        _ => None,
    };
    match number {
        Some(number) if number < 1 => Err(Error::new(
            &error::INVALID_ARGUMENT,
            &[&"nth_value", &number],
        )),
        _ => Ok(()),
    }
}

/// An error for a frame that begins after its end.
fn check_frame(frame: &WindowFrame) -> Result<()> {
    // How many rows after the current one; `None` if that is not written as a number.
    let place = |bound: &WindowFrameBound| match bound {
        WindowFrameBound::CurrentRow => Some(0),
        WindowFrameBound::Preceding(None) => Some(i64::MIN),
        WindowFrameBound::Following(None) => Some(i64::MAX),
        WindowFrameBound::Preceding(Some(rows)) => written_number(rows)?.checked_neg(),
        WindowFrameBound::Following(Some(rows)) => written_number(rows),
    };
    let mut bounds = std::iter::once(&frame.start_bound).chain(&frame.end_bound);
    let is_negative = bounds.any(|bound| match bound {
        WindowFrameBound::Preceding(Some(rows)) | WindowFrameBound::Following(Some(rows)) => {
            written_number(rows).is_some_and(|rows| rows < 0)
        }
        _ => false,
    });
    let start = place(&frame.start_bound);
    let end = frame.end_bound.as_ref().map_or(Some(0), place);
    let is_backward = matches!((start, end), (Some(start), Some(end)) if start > end);
    let reason = match () {
        () if is_negative => "an offset is negative",
        () if start == Some(i64::MAX) => "it starts with UNBOUNDED FOLLOWING",
        () if end == Some(i64::MIN) => "it ends with UNBOUNDED PRECEDING",
        () if is_backward => "it starts after its end",
        () => return Ok(()),
    };
    Err(Error::new(&error::FRAME_BOUNDS, &[&reason]))
}

/// Whether an expression that was rewritten consists of literals and their casts.
fn is_constant(expr: &Expr) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Value(_)
        | Expr::Nested(_)
        | Expr::UnaryOp { .. }
        | Expr::BinaryOp { .. }
        | Expr::Interval(_) => ControlFlow::Continue(()),
        Expr::Function(function) if super::plain_name(&function.name) == [functions::CAST] => {
            ControlFlow::Continue(())
        }
        _ => ControlFlow::Break(()),
    });
    found.is_continue()
}

fn unnamed<const N: usize>(arguments: [Expr; N]) -> Vec<FunctionArg> {
    Vec::from(arguments.map(|argument| FunctionArg::Unnamed(FunctionArgExpr::Expr(argument))))
}

fn is_descending(order: &OrderByExpr) -> bool {
    order.options.asc == Some(false)
}

/// A moment as TIMEOFDAY shows it: `Thu Sep 19 22:53:50.333525 2013 UTC`.
fn time_of_day(micros: i64) -> String {
    let moment = chrono::DateTime::from_timestamp_micros(micros).unwrap_or_default();
    moment.format("%a %b %d %H:%M:%S%.6f %Y UTC").to_string()
}

/// A call over the rows of a group or a window.
fn aggregate(name: &str, args: Vec<FunctionArg>, rest: Rest) -> Expr {
    Expr::Function(Function {
        name: ident(name).into(),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: rest.duplicates,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: rest.null_treatment,
        over: rest.over,
        within_group: rest.within_group,
    })
}

/// A call whose rows come in an order, which DataFusion has among the arguments.
fn ordered(call: Expr, order: Vec<OrderByExpr>) -> Expr {
    match call {
        Expr::Function(mut function) if !order.is_empty() => {
            if let FunctionArguments::List(list) = &mut function.args {
                list.clauses.push(FunctionArgumentClause::OrderBy(order));
            }
            Expr::Function(function)
        }
        call => call,
    }
}

impl Rest {
    fn is_aggregate(&self) -> bool {
        self.duplicates.is_some()
            || self.over.is_some()
            || !self.within_group.is_empty()
            || self.null_treatment.is_some()
    }
}

pub(super) fn case(conditions: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    use datafusion::sql::sqlparser::ast::CaseWhen;
    use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: conditions
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: otherwise.map(Box::new),
    }
}

/// The parts of dates, each under its usual name first, then as else it can be written.
const PARTS: &[&[&str]] = &[
    &["millennium", "millennia", "mil", "mils"],
    &["century", "centuries", "c", "cent", "cents"],
    &["decade", "decades", "dec", "decs"],
    &["year", "years", "y", "yr", "yrs"],
    &["quarter", "quarters", "qtr", "qtrs"],
    &["month", "months", "mon", "mons"],
    &["week", "weeks", "w"],
    &["dow", "dayofweek", "dw", "weekday"],
    &["doy", "dayofyear", "dy", "yearday"],
    &["day", "days", "d"],
    &["hour", "hours", "h", "hr", "hrs"],
    &["minute", "minutes", "m", "min", "mins"],
    &["second", "seconds", "s", "sec", "secs"],
    &[
        "millisecond",
        "milliseconds",
        "ms",
        "msec",
        "msecs",
        "msecond",
        "mseconds",
        "millisec",
        "millisecs",
        "millisecon",
    ],
    &[
        "microsecond",
        "microseconds",
        "us",
        "usec",
        "usecs",
        "usecond",
        "useconds",
        "microsec",
        "microsecs",
        "microsecon",
    ],
    &["epoch"],
];

/// The usual name of a part of dates.
pub(super) fn part_of_date(name: &str) -> Option<&'static str> {
    let mut parts = PARTS.iter();
    let part = parts.find(|part| part.contains(&name.trim()))?;
    part.first().copied()
}
