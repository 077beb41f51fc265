//! Why rows were not taken, in the words of plugins: counted, and short enough for a line.

use std::collections::HashMap;

use regex::Regex;

/// Reasons that differ in what this matches are one: `1,048`, `10:35` and `1.5` are a number each.
pub(crate) const NUMBER: &str = "[0-9]+([.,:][0-9]+)*";

/// Reasons that are held at a time.
const KEPT: usize = 1000;

/// Characters of a reason that are shown.
const SHOWN: usize = 200;

/// A reason in one line: a plugin may write as much as it likes.
pub(crate) fn short(reason: &str) -> String {
    let mut lines = reason.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// How many rows were rejected why. Reasons that differ in numbers alone are one.
pub(crate) struct Reasons {
    number: Regex,
    /// By the reason with `#` for each number.
    kept: HashMap<String, Reason>,
    /// Rows whose reasons were so rare that others took their places.
    others: u64,
}

struct Reason {
    /// As it was the first time.
    first: String,
    /// Whether it was in other words, that is with other numbers, another time.
    varies: bool,
    rows: u64,
}

impl Default for Reasons {
    fn default() -> Self {
        Self {
            number: Regex::new(NUMBER).expect("a regular expression"),
            kept: HashMap::new(),
            others: 0,
        }
    }
}

impl Reasons {
    pub(crate) fn count(&mut self, reason: &str) {
        let reason = short(reason);
        let pattern = self.number.replace_all(&reason, "#");
        if let Some(kept) = self.kept.get_mut(pattern.as_ref()) {
            kept.varies |= kept.first != reason;
            kept.rows += 1;
            return;
        }
        let pattern = pattern.into_owned();
        if self.kept.len() == KEPT {
            self.make_room();
        }
        let first = Reason {
            first: reason,
            varies: false,
            rows: 1,
        };
        self.kept.insert(pattern, first);
    }

    /// Gives up the rarer half, so that a frequent reason that comes late is known as well.
    fn make_room(&mut self) {
        let mut rows: Vec<u64> = self.kept.values().map(|reason| reason.rows).collect();
        let (_, median, _) = rows.select_nth_unstable(KEPT / 2);
        let (median, others) = (*median, &mut self.others);
        self.kept.retain(|_, reason| {
            let stays = reason.rows > median;
            *others += if stays { 0 } else { reason.rows };
            stays
        });
    }

    /// How many rows were rejected for which reason, with `#` in place of numbers that vary; the most frequent first. Then the rows
    /// with other reasons.
    pub(crate) fn most_frequent(&self) -> (Vec<(u64, String)>, u64) {
        let kept = self.kept.iter().map(|(pattern, reason)| {
            let named = if reason.varies {
                pattern
            } else {
                &reason.first
            };
            (reason.rows, named.clone())
        });
        let mut kept: Vec<_> = kept.collect();
        kept.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
        (kept, self.others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_numbers_alone_are_counted_as_one() {
        let mut reasons = Reasons::default();
        for reason in [
            "no name",
            "12 is odd",
            "3 is odd",
            "late at 10:35",
            "late at 10:35",
        ] {
            reasons.count(reason);
        }
        let named = [(2, "# is odd"), (2, "late at 10:35"), (1, "no name")];
        let named = named.map(|(rows, reason)| (rows, reason.to_owned()));
        assert_eq!(reasons.most_frequent(), (named.to_vec(), 0));
    }

    #[test]
    fn a_frequent_reason_that_comes_late_is_known_and_every_row_is_counted() {
        let mut reasons = Reasons::default();
        let name = |mut at: usize| {
            let mut name = String::new();
            while at > 0 {
                name.push(char::from(b'a' + (at % 26) as u8));
                at /= 26;
            }
            name
        };
        for at in 0..5 * KEPT {
            reasons.count(&format!("unknown carrier {}", name(at)));
        }
        for _ in 0..10 {
            reasons.count("file truncated");
        }
        let (kept, others) = reasons.most_frequent();
        assert_eq!(kept[0], (10, "file truncated".to_owned()));
        assert!(kept.len() <= KEPT);
        let rows: u64 = kept.iter().map(|(rows, _)| rows).sum();
        assert_eq!(rows + others, 5 * KEPT as u64 + 10);
    }

    #[test]
    fn a_reason_is_told_in_one_line() {
        assert_eq!(short("\n  second line\nthird"), "second line");
        assert_eq!(short(&"ü".repeat(300)), "ü".repeat(200) + "…");
        assert_eq!(short(""), "");
    }
}
