//! The chosen target, and the values of variables for it.
//!
//! All targets are checked, not only the chosen one: a mistake in `prod` must not wait for the day it is used.

use std::collections::BTreeMap;

use super::super::LoadOptions;
use super::super::model::{AwsEntry, SinkPlaceEntry, TargetEntry};
use super::super::problem::{Problem, list};
use super::super::reader::{Entries, Spanned};
use super::super::spec::{AwsOptions, Endpoint};
use super::super::value::{Scalar, Value, ValueType};
use super::{Resolver, entries, names};

/// The target of a pipeline that declares none.
const ONLY_TARGET: &str = "local";

/// The chosen target.
pub(super) struct Target<'a> {
    pub(super) name: String,
    entry: Option<&'a TargetEntry>,
}

impl<'a> Target<'a> {
    /// The target's own path for a source.
    pub(super) fn source(&self, name: &str) -> Option<&'a Spanned<String>> {
        let sources = self.entry?.sources.as_ref()?;
        sources.get(name)?.value.as_ref()?.path.as_ref()
    }

    /// The target's own path for a sink.
    pub(super) fn sink(&self, name: &str) -> Option<&'a Spanned<String>> {
        self.sink_place(name)?.path.as_ref()
    }

    /// The target's own table of Redshift for a sink.
    pub(super) fn table(&self, name: &str) -> Option<&'a Spanned<String>> {
        self.sink_place(name)?.table.as_ref()
    }

    fn sink_place(&self, name: &str) -> Option<&'a SinkPlaceEntry> {
        self.entry?.sinks.as_ref()?.get(name)?.value.as_ref()
    }

    /// The target's own path for rejected rows.
    pub(super) fn dead_letters(&self) -> Option<&'a Spanned<String>> {
        self.entry?.dead_letters.as_ref()?.path.as_ref()
    }

    /// Where it is kept what was loaded.
    pub(super) fn state(&self) -> Option<&'a Spanned<String>> {
        self.entry?.state.as_ref()?.path.as_ref()
    }

    pub(super) fn aws(&self) -> Option<&'a AwsEntry> {
        self.entry?.aws.as_ref()
    }

    fn variable(&self, name: &str) -> Option<&'a Spanned<Scalar>> {
        self.entry?.variables.as_ref()?.get(name)?.value.as_ref()
    }
}

fn endpoint(text: &str) -> Endpoint {
    match text {
        "aws" => Endpoint::Aws,
        "local" => Endpoint::Local,
        url => Endpoint::Url(url.to_owned()),
    }
}

impl<'a> Resolver<'a> {
    /// Chooses the target, after checking that all of them override only what there is.
    pub(super) fn target(&mut self, options: &LoadOptions) -> Target<'a> {
        let file = self.file;
        for entry in entries(file.targets.as_ref()) {
            let Some(target) = &entry.value else { continue };
            self.check_known(target.sources.as_ref(), file.sources.as_ref(), "source");
            self.check_known(target.sinks.as_ref(), file.sinks.as_ref(), "sink");
            self.check_known(
                target.variables.as_ref(),
                file.variables.as_ref(),
                "variable",
            );
            self.check_paths_of(target);
            self.check_endpoint(target.aws.as_ref());
        }
        let declared: Vec<&str> = names(file.targets.as_ref()).collect();
        let all = if declared.is_empty() {
            vec![ONLY_TARGET]
        } else {
            declared
        };
        if let Some(default) = &file.default_target
            && !all.contains(&default.value.as_str())
        {
            let problem = self
                .at(default.span, format!("unknown target `{}`", default.value))
                .with_label(format!("targets: {}", list(all.iter().copied())))
                .with_near_name(&default.value, all.iter().copied());
            self.report(problem);
        }
        if let Some(name) = &options.target
            && !all.contains(&name.as_str())
        {
            let message = format!(
                "unknown target `{name}`; targets: {}",
                list(all.iter().copied())
            );
            self.report(Problem::new(message).with_near_name(name, all.iter().copied()));
        }
        let default = file.default_target.as_ref().map(|default| &default.value);
        let name = options
            .target
            .as_ref()
            .or(default)
            .map_or(all[0], String::as_str);
        let entry = file
            .targets
            .as_ref()
            .and_then(|targets| targets.get(name)?.value.as_ref());
        Target {
            name: name.to_owned(),
            entry,
        }
    }

    /// How Amazon's services are reached; on the target `local`, those of this machine unless it says others.
    pub(super) fn aws(&mut self, target: &Target<'_>) -> AwsOptions {
        let local = match target.name == ONLY_TARGET {
            true => Endpoint::Local,
            false => Endpoint::Aws,
        };
        let Some(said) = target.aws() else {
            return AwsOptions {
                endpoint: local,
                ..AwsOptions::default()
            };
        };
        AwsOptions {
            endpoint: said
                .endpoint
                .as_ref()
                .map_or(local, |said| endpoint(&said.value)),
            region: said.region.clone(),
            profile: said.profile.clone(),
            requester_pays: said.requester_pays.unwrap_or_default(),
            kms_key: said.kms_key.clone(),
        }
    }

    /// Reports endpoints that are none.
    fn check_endpoint(&mut self, aws: Option<&AwsEntry>) {
        let Some(said) = aws.and_then(|aws| aws.endpoint.as_ref()) else {
            return;
        };
        let Endpoint::Url(url) = endpoint(&said.value) else {
            return;
        };
        let host = ["http://", "https://"]
            .iter()
            .find_map(|scheme| url.strip_prefix(scheme));
        if host.is_some_and(|host| !host.is_empty() && !host.contains('@')) {
            return;
        }
        // What stands before an `@` is a secret.
        let problem = self
            .at(said.span, "the endpoint is no address".to_owned())
            .with_label("allowed: `aws`, `local`, or an address such as `http://127.0.0.1:4566`");
        self.report(problem);
    }

    /// Reports names that a target gives to things that are not declared.
    fn check_known<T, U>(
        &mut self,
        said: Option<&Entries<T>>,
        known: Option<&Entries<U>>,
        what: &str,
    ) {
        let allowed: Vec<&str> = names(known).collect();
        for entry in entries(said) {
            let name = &entry.name;
            if !allowed.contains(&name.value.as_str()) {
                let problem = self
                    .at(
                        name.span,
                        format!("the target names an unknown {what} `{}`", name.value),
                    )
                    .with_label(format!("allowed: {}", list(allowed.iter().copied())))
                    .with_near_name(&name.value, allowed.iter().copied());
                self.report(problem);
            }
        }
    }

    /// Reports paths of a target that lead out of the file system, and places of sinks of another kind.
    fn check_paths_of(&mut self, target: &TargetEntry) {
        let sources = entries(target.sources.as_ref()).map(|entry| entry.value.as_ref());
        let single = [target.dead_letters.as_ref(), target.state.as_ref()];
        let others = sources.chain(single).flatten();
        let others = others.map(|entry| entry.path.as_ref());
        let sinks = || {
            entries(target.sinks.as_ref())
                .filter_map(|entry| Some((entry.name.value.as_str(), entry.value.as_ref()?)))
        };
        let of_sinks = sinks().map(|(_, sink)| sink.path.as_ref());
        for path in others.chain(of_sinks).flatten() {
            self.place(path);
        }
        for (name, place) in sinks() {
            let declared = self.file.sinks.as_ref().and_then(|sinks| sinks.get(name));
            let declared = declared.and_then(|sink| sink.value.as_ref());
            let Some(declared) = declared else { continue };
            let wrong = match (&place.path, &place.table) {
                (Some(path), _) if declared.redshift.is_some() => {
                    Some((path.span, "is in Redshift: name another `table`"))
                }
                (_, Some(table)) if declared.path.is_some() => {
                    Some((table.span, "writes files: name another `path`"))
                }
                (_, Some(table)) => {
                    self.table_name(table);
                    None
                }
                _ => None,
            };
            if let Some((span, why)) = wrong {
                let message = format!("the sink `{name}` {why}");
                let problem = self.at(span, message);
                self.report(problem.with_label("a target changes no sink to one of another kind"));
            }
        }
    }

    /// The value of each variable: from `--var`, else the target's, else the default.
    pub(super) fn variables(
        &mut self,
        target: &Target<'_>,
        options: &LoadOptions,
    ) -> BTreeMap<String, Value> {
        let file = self.file;
        let declared = || names(file.variables.as_ref());
        for name in options.variables.keys() {
            if !declared().any(|variable| variable == name) {
                let message = format!("unknown variable `{name}`; variables: {}", list(declared()));
                self.report(Problem::new(message).with_near_name(name, declared()));
            }
        }
        let mut values = BTreeMap::new();
        for entry in entries(file.variables.as_ref()) {
            let name = &entry.name;
            let Some(variable) = &entry.value else {
                continue;
            };
            let Some(value_type) = variable.value_type else {
                continue;
            };
            let default = variable.default.as_ref();
            let mut value = default
                .and_then(Option::as_ref)
                .and_then(|scalar| self.value(&name.value, value_type, scalar));
            for other in entries(file.targets.as_ref()) {
                let Some(said) = other
                    .value
                    .as_ref()
                    .and_then(|target| target.variables.as_ref())
                else {
                    continue;
                };
                let Some(scalar) = said.get(&name.value).and_then(|said| said.value.as_ref())
                else {
                    continue;
                };
                let parsed = self.value(&name.value, value_type, scalar);
                if other.name.value == target.name {
                    value = parsed.or(value);
                }
            }
            let given = options.variables.get(&name.value);
            if let Some(text) = given {
                let parsed = value_type.parse_value(text);
                if parsed.is_none() {
                    let message = format!(
                        "the variable `{}` was given `{text}`, which is no {value_type}",
                        name.value
                    );
                    let problem = self
                        .at(name.span, message)
                        .with_label(format!("expected {}", value_type.looks_like()));
                    self.report(problem);
                }
                value = parsed.or(value);
            }
            let written = default.is_some() || target.variable(&name.value).is_some();
            match value {
                Some(value) => {
                    values.insert(name.value.clone(), value);
                }
                None if !written && given.is_none() => {
                    let problem = self
                        .at(
                            name.span,
                            format!("the variable `{}` has no value", name.value),
                        )
                        .with_label(format!("no default, none in the target `{}`", target.name))
                        .with_hint(format!(
                            "give it one with `--var {}=..`; to a function, with `variables` in its event",
                            name.value
                        ));
                    self.report(problem);
                }
                None => {}
            }
        }
        values
    }

    /// The value that the file says for a variable.
    fn value(
        &mut self,
        name: &str,
        value_type: ValueType,
        said: &Spanned<Scalar>,
    ) -> Option<Value> {
        let value = value_type.value_of(&said.value);
        if value.is_none() {
            let mut problem = self
                .at(
                    said.span,
                    format!(
                        "the variable `{name}` is no {value_type}: {}",
                        said.value.shown
                    ),
                )
                .with_label(format!("expected {}", value_type.looks_like()));
            // The text is right, only YAML took it for something else, or the other way round.
            if value_type.parse_value(&said.value.text).is_some() {
                let text = &said.value.text;
                problem = problem.with_hint(match value_type {
                    ValueType::Utf8 => format!("write `\"{text}\"` for a text"),
                    _ => format!("write `{text}` without quotes"),
                });
            }
            self.report(problem);
        }
        value
    }
}
