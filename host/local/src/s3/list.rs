//! Listing names in order: prefix, delimiter, pages.
//!
//! [`page`] walks sorted names and groups those that share a prefix up to the delimiter. A group is passed with one
//! seek, however many names it has. Objects and uploads are listed by the same walk.

use std::ops::Bound;

use s3s::S3Result;

/// The longest page, as in S3.
pub(crate) const MAX_KEYS: usize = 1000;

/// What a listing asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) prefix: String,
    /// Not empty.
    pub(crate) delimiter: Option<String>,
    /// Only names after this one; a group of this name was listed before.
    pub(crate) after: Option<String>,
    pub(crate) max: usize,
}

/// A name or a group of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry<V> {
    Name(String, V),
    Group(String),
}

impl<V> Entry<V> {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Name(name, _) | Self::Group(name) => name,
        }
    }
}

/// Entries in order, and whether there are more.
#[derive(Debug)]
pub(crate) struct Page<V> {
    pub(crate) entries: Vec<Entry<V>>,
    pub(crate) truncated: bool,
}

impl<V> Page<V> {
    /// Where the next page begins.
    pub(crate) fn next(&self) -> Option<&str> {
        match self.truncated {
            true => self.entries.last().map(Entry::name),
            false => None,
        }
    }
}

/// Names in the order of their bytes.
pub(crate) trait Names {
    type Value;

    /// Goes to the first name at or after a bound.
    fn seek(&mut self, from: Bound<&[u8]>) -> S3Result<()>;

    /// The next name.
    fn next(&mut self) -> S3Result<Option<(String, Self::Value)>>;
}

/// One page of a listing.
pub(crate) fn page<N: Names>(query: &Query, names: &mut N) -> S3Result<Page<N::Value>> {
    let Query {
        prefix,
        delimiter,
        after,
        max,
    } = query;
    // The group that a name falls into: through the first delimiter behind the prefix.
    let group = |name: &str| {
        let delimiter = delimiter.as_ref()?;
        let end = name[prefix.len()..].find(delimiter.as_str())? + prefix.len() + delimiter.len();
        Some(name[..end].to_owned())
    };
    let mut entries = Vec::new();
    match after {
        Some(after) if after.starts_with(prefix) && group(after).as_ref() == Some(after) => {
            names.seek(Bound::Included(&behind(after)))?;
        }
        Some(after) if after.as_bytes() >= prefix.as_bytes() => {
            names.seek(Bound::Excluded(after.as_bytes()))?;
        }
        _ => names.seek(Bound::Included(prefix.as_bytes()))?,
    }
    let mut truncated = false;
    while *max > 0
        && let Some((name, value)) = names.next()?
    {
        if !name.starts_with(prefix) {
            break;
        }
        if entries.len() == *max {
            truncated = true;
            break;
        }
        match group(&name) {
            Some(group) => {
                names.seek(Bound::Included(&behind(&group)))?;
                entries.push(Entry::Group(group));
            }
            None => entries.push(Entry::Name(name, value)),
        }
    }
    Ok(Page { entries, truncated })
}

/// The first bytes after all names that begin with this one. No byte of UTF-8 is 255.
fn behind(prefix: &str) -> Vec<u8> {
    let mut bytes = prefix.as_bytes().to_vec();
    if let Some(last) = bytes.last_mut() {
        *last += 1;
    }
    bytes
}

/// Sorted names in memory.
pub(crate) struct InMemory<V> {
    names: Vec<(String, V)>,
    at: usize,
}

impl<V> InMemory<V> {
    /// Sorts by name; those of one name stay in their order.
    pub(crate) fn new(mut names: Vec<(String, V)>) -> Self {
        names.sort_by(|(one, _), (other, _)| one.as_bytes().cmp(other.as_bytes()));
        Self { names, at: 0 }
    }
}

impl<V: Clone> Names for InMemory<V> {
    type Value = V;

    fn seek(&mut self, from: Bound<&[u8]>) -> S3Result<()> {
        self.at = self.names.partition_point(|(name, _)| match from {
            Bound::Included(from) => name.as_bytes() < from,
            Bound::Excluded(from) => name.as_bytes() <= from,
            Bound::Unbounded => false,
        });
        Ok(())
    }

    fn next(&mut self) -> S3Result<Option<(String, V)>> {
        let name = self.names.get(self.at).cloned();
        self.at += 1;
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{Entry, InMemory, Query, page};

    /// What a listing is, said in the plainest way: all entries, without pages.
    fn model(names: &BTreeSet<String>, query: &Query) -> Vec<String> {
        let mut entries: Vec<String> = Vec::new();
        for name in names.iter().filter(|name| name.starts_with(&query.prefix)) {
            let rest = &name[query.prefix.len()..];
            let group = query.delimiter.as_ref().and_then(|delimiter| {
                let end = rest.find(delimiter.as_str())? + delimiter.len();
                Some(format!("{}{}", query.prefix, &rest[..end]))
            });
            let after = query.after.as_deref().unwrap_or_default();
            let is_after = name.as_str() > after || after.is_empty();
            match group {
                Some(group) if group == after || !is_after => {}
                Some(group) if entries.last() == Some(&group) => {}
                Some(group) => entries.push(group),
                None if is_after => entries.push(name.clone()),
                None => {}
            }
        }
        entries
    }

    fn listed(names: &BTreeSet<String>, query: &Query) -> Vec<String> {
        let names = names.iter().map(|name| (name.clone(), ())).collect();
        let mut names = InMemory::new(names);
        let (mut all, mut query) = (Vec::new(), query.clone());
        loop {
            let page = page(&query, &mut names).unwrap();
            assert!(page.entries.len() <= query.max);
            all.extend(page.entries.iter().map(|entry| entry.name().to_owned()));
            match page.next() {
                Some(next) => query.after = Some(next.to_owned()),
                None => return all,
            }
        }
    }

    proptest! {
        #[test]
        fn pages_put_together_are_the_whole_listing(
            names in prop::collection::btree_set("[ab/é+]{1,6}", 0..40),
            prefix in "[ab/é]{0,2}",
            delimiter in prop::option::of("(/|ab|é)"),
            after in prop::option::of("[ab/é]{1,4}"),
            max in 1usize..8,
        ) {
            let query = Query { prefix, delimiter, after, max };
            prop_assert_eq!(listed(&names, &query), model(&names, &query));
        }
    }

    #[test]
    fn a_page_of_none_is_empty_and_complete() {
        let mut names = InMemory::new(vec![("a".to_owned(), ())]);
        let page = page(&Query::default(), &mut names).unwrap();
        assert!(page.entries.is_empty() && !page.truncated);
    }

    #[test]
    fn groups_and_names_keep_the_order_of_bytes() {
        let names = ["a", "a/b", "a/c", "a0", "b"];
        let mut names = InMemory::new(names.map(|name| (name.to_owned(), ())).to_vec());
        let query = Query {
            delimiter: Some("/".to_owned()),
            max: 10,
            ..Query::default()
        };
        let page = page(&query, &mut names).unwrap();
        let shown: Vec<_> = page.entries.iter().map(Entry::name).collect();
        assert_eq!(shown, ["a", "a/", "a0", "b"]);
    }
}
