//! Rules by which buckets delete objects, and what of a pipeline's they would take.
//!
//! What a rule deletes goes behind the log's back: rows without an entry, or an entry itself, whose number could then be written again.
//! Only what is staged may go by a rule, and late: what no entry names is of no use any more, and all others are loaded by then.

use transom_file::spec::S3Url;

use super::probe::{Unfit, with_causes};
use crate::aws::{Aws, Expiration};

/// Days that what is staged must live at least: longer than any run, and than a run waits to be completed.
const STAGED_DAYS: i32 = 30;

/// What is needed of a bucket, by prefixes.
#[derive(Debug, Clone, Default)]
pub(super) struct Needed {
    /// What no rule may delete.
    pub(super) kept: Vec<String>,
    /// What rules may delete after [`STAGED_DAYS`]; it may lie within what is kept.
    pub(super) staged: Vec<String>,
    /// Why what is kept must stay.
    pub(super) why: &'static str,
}

/// What the rules of a bucket leave of what is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rules {
    /// All of it.
    Spare,
    /// What is staged goes after a while, by this rule.
    Tolerated(String),
    /// The rules cannot be read, for this reason.
    Unknown(String),
}

/// The prefix of all that lies below an address.
pub(super) fn below(url: &S3Url) -> String {
    match url.key.trim_end_matches('/') {
        "" => String::new(),
        key => format!("{key}/"),
    }
}

/// What the rules of a bucket do to what is needed of it.
///
/// # Errors
/// If one of them deletes what has to stay, or stay longer; or the bucket is not reached.
pub(super) async fn rules_of(aws: &Aws, bucket: &str, needed: &Needed) -> Result<Rules, Unfit> {
    match aws.bucket(bucket).await?.expirations().await {
        Ok(rules) => needed.check(bucket, &rules),
        Err(error) => Ok(Rules::Unknown(with_causes(&error))),
    }
}

impl Needed {
    fn check(&self, bucket: &str, rules: &[Expiration]) -> Result<Rules, Unfit> {
        let mut found = Rules::Spare;
        for rule in rules {
            let is_within = |needed: &String| rule.prefix.starts_with(needed.as_str());
            let meets =
                |needed: &String| is_within(needed) || needed.starts_with(rule.prefix.as_str());
            // A rule for what is staged leaves all else.
            let is_of_staged = self.staged.iter().any(is_within);
            if !is_of_staged && self.kept.iter().any(meets) {
                return Err(Unfit::new(shown(bucket, rule), self.why));
            }
            if !self.staged.iter().any(meets) {
                continue;
            }
            match rule.days {
                Some(days) if days >= STAGED_DAYS => found = Rules::Tolerated(shown(bucket, rule)),
                _ => {
                    return Err(Unfit::new(
                        shown(bucket, rule),
                        &format!(
                            "what is staged would go before it is loaded: leave the deleting to `transom gc`, or give it {STAGED_DAYS} days at least"
                        ),
                    ));
                }
            }
        }
        Ok(found)
    }
}

/// A rule, for people.
fn shown(bucket: &str, rule: &Expiration) -> String {
    let Expiration { id, prefix, days } = rule;
    let what = match prefix.as_str() {
        "" => "all objects".to_owned(),
        prefix => format!("objects below `{prefix}`"),
    };
    let when = match days {
        Some(1) => "after 1 day".to_owned(),
        Some(days) => format!("after {days} days"),
        None => "at a date".to_owned(),
    };
    format!("the rule `{id}` of bucket `{bucket}` deletes {what} {when}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Needed {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Needed {
            kept: texts(&["visits/", ".visits.transom/"]),
            staged: texts(&[".visits.transom/staged/"]),
            why: "it is kept",
        }
    }

    fn check(needed: &Needed, rules: &[(&str, Option<i32>)]) -> Result<Rules, String> {
        let rules = rules.iter().map(|(prefix, days)| Expiration {
            id: "r".to_owned(),
            prefix: (*prefix).to_owned(),
            days: *days,
        });
        let checked = needed.check("lake", &rules.collect::<Vec<_>>());
        checked.map_err(|unfit| unfit.hint.unwrap_or_default())
    }

    #[test]
    fn a_rule_of_other_objects_is_no_matter() {
        // A table at the top of its bucket.
        for prefix in ["unrelated/logs/", "visits-old/", ".visits.other/", "visit/"] {
            let checked = check(&table(), &[(prefix, Some(1))]);
            assert_eq!(checked, Ok(Rules::Spare), "{prefix}");
        }
        assert_eq!(check(&table(), &[]), Ok(Rules::Spare));
    }

    #[test]
    fn no_rule_may_delete_rows_or_notes_however_late() {
        let kept = Err("it is kept".to_owned());
        for prefix in [
            "",
            "v",
            "visits/",
            "visits/day=1/",
            ".visits.transom/",
            ".visits.transom/files/",
        ] {
            for days in [Some(1), Some(45), Some(3650), None] {
                assert_eq!(
                    check(&table(), &[(prefix, days)]),
                    kept,
                    "{prefix} {days:?}"
                );
            }
        }
        let state = Needed {
            kept: vec![String::new()],
            why: "it is kept",
            ..Needed::default()
        };
        assert_eq!(check(&state, &[("any/", Some(3650))]), kept);
    }

    #[test]
    fn what_is_staged_may_go_late() {
        let rule = "the rule `r` of bucket `lake` deletes objects below `.visits.transom/staged/` after 45 days";
        let late = (".visits.transom/staged/", Some(45));
        let tolerated = Ok(Rules::Tolerated(rule.to_owned()));
        assert_eq!(check(&table(), &[late]), tolerated);
        for days in [Some(1), Some(STAGED_DAYS - 1), None] {
            let early = check(&table(), &[late, (".visits.transom/staged/b", days)]);
            let hint = early.unwrap_err();
            assert!(hint.starts_with("what is staged would go"), "{hint}");
        }
        let staging = Needed {
            staged: vec!["staging/orders/".to_owned()],
            ..Needed::default()
        };
        let all = check(&staging, &[("", Some(45))]);
        assert!(matches!(all, Ok(Rules::Tolerated(_))), "{all:?}");
        assert!(check(&staging, &[("staging/", Some(7))]).is_err());
    }
}
