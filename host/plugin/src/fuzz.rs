//! What the fuzz targets in `fuzz/` call: the readers of everything that a guest or a file may have made up.
//!
//! Each entry takes bytes, reads from them what a guest would have handed over (`Source`), and asserts what must be true
//! of whatever is let through. Not part of the crate's interface.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow_schema::Field;

use crate::batch::format::{fields_from_wire, fields_to_wire};
use crate::batch::lift::lift;
use crate::batch::lower::Lowered;
use crate::bindings::{meta, types};
use crate::description::Description;
use crate::limits::Limits;
use crate::stamp::{Identity, Stamp};

/// Values read from bytes; at their end there are zeros and empty lists.
#[derive(Debug)]
struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
    fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((byte, rest)) => {
                self.0 = rest;
                *byte
            }
            None => 0,
        }
    }

    /// Mostly small, sometimes of the whole range.
    fn number(&mut self) -> u32 {
        match self.byte() {
            255 => u32::from_le_bytes([self.byte(), self.byte(), self.byte(), self.byte()]),
            small => u32::from(small),
        }
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = match self.byte() {
            255 => usize::from(self.byte()) << 8,
            small => usize::from(small),
        };
        let (bytes, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        bytes
    }

    fn text(&mut self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let length = self.byte();
        let mut items = Vec::new();
        while items.len() < usize::from(length) && !self.0.is_empty() {
            items.push(item(self));
        }
        items
    }

    fn field(&mut self) -> types::FieldResult {
        // A format that is one, more often than chance would have it.
        const FORMATS: [&str; 24] = [
            "n",
            "b",
            "c",
            "S",
            "i",
            "l",
            "g",
            "u",
            "U",
            "z",
            "Z",
            "w:3",
            "d:5,2",
            "d:38,0",
            "d:76,-3,256",
            "tdD",
            "tsu:UTC",
            "ttn",
            "tDm",
            "tin",
            "+l",
            "+L",
            "+s",
            "+m",
        ];
        let format = match self.byte() {
            255 => self.text(),
            254 => format!("+w:{}", self.byte()),
            known => FORMATS[usize::from(known) % FORMATS.len()].to_owned(),
        };
        let shape = self.byte();
        types::FieldResult {
            name: self.text(),
            format,
            nullable: shape & 1 == 0,
            metadata: match shape & 2 {
                0 => vec![],
                _ => self.list(|source| (source.text(), source.text())),
            },
            children: match shape & 4 {
                0 => 0,
                _ => self.number(),
            },
        }
    }

    fn batch(&mut self) -> types::BatchResult {
        types::BatchResult {
            rows: self.number(),
            nodes: self.list(|source| types::Node {
                length: source.number(),
                null_count: source.number(),
            }),
            buffers: self.list(|source| source.bytes().to_vec()),
        }
    }

    fn description(&mut self) -> meta::Description {
        meta::Description {
            name: self.text(),
            version: self.text(),
            functions: self.list(|source| meta::Function {
                name: source.text(),
                doc: source.text(),
                arguments: source.list(|source| meta::Argument {
                    name: source.text(),
                    accepts: match source.byte() % 5 {
                        0 => meta::ArgumentType::Any,
                        1 => meta::ArgumentType::Numeric,
                        2 => meta::ArgumentType::Temporal,
                        3 => meta::ArgumentType::Text,
                        _ => meta::ArgumentType::Exact(source.list(Self::field)),
                    },
                }),
                variadic: source.byte() & 1 == 1,
                output: source.list(Self::field),
                volatility: meta::Volatility::Immutable,
            }),
            transforms: self.list(|source| meta::Transform {
                name: source.text(),
                doc: source.text(),
                options: source.text(),
                stateful: source.byte() & 1 == 1,
                partition_by: source.list(Self::text),
                order_by: source.list(|source| meta::SortKey {
                    column: source.text(),
                    descending: source.byte() & 1 == 1,
                }),
            }),
        }
    }
}

/// A schema and a batch of it, as a guest returns them.
///
/// # Panics
/// If a column is let through that arrow finds fault with, or that does not survive the way into a guest and out again.
pub fn batch(bytes: &[u8]) {
    let mut source = Source(bytes);
    let limits = Limits {
        rows: 1 << 20,
        ..Limits::default()
    };
    let wire = source.list(Source::field);
    let Ok(fields) = fields_from_wire(&wire, &limits) else {
        return;
    };
    let again = fields_to_wire(&fields).expect("what came from a guest can go to one");
    let again = fields_from_wire(&again, &limits).expect("a schema that was let through is again");
    assert_eq!(again, fields);
    let fields: Vec<Arc<Field>> = fields.into_iter().map(Arc::new).collect();
    let batch = source.batch();
    let rows = batch.rows as usize;
    let Ok(columns) = lift(batch, &fields, limits.rows) else {
        return;
    };
    for (column, field) in columns.iter().zip(&fields) {
        assert_eq!(column.len(), rows);
        assert_eq!(column.data_type(), field.data_type());
        assert!(field.is_nullable() || column.null_count() == 0);
        let data = column.to_data();
        data.validate_full()
            .expect("a column that was let through is well");
    }
    // What takes no bytes may be long; the way back counts it one by one.
    if rows > 1 << 16 {
        return;
    }
    let borrowed: Vec<&ArrayRef> = columns.iter().collect();
    let lowered = Lowered::new(&borrowed, rows, |index| index.to_string())
        .expect("what came from a guest can go to one");
    let wire = types::BatchResult {
        rows: lowered.rows,
        nodes: lowered.nodes,
        buffers: lowered
            .buffers
            .iter()
            .map(|buffer| buffer.to_vec())
            .collect(),
    };
    let back = lift(wire, &fields, limits.rows).expect("what the host lowers it can lift");
    assert_eq!(back, columns);
}

/// What a plugin says it offers.
///
/// # Panics
/// If a description is let through that does not survive the lock file.
pub fn description(bytes: &[u8]) {
    let wire = Source(bytes).description();
    let limits = Limits::default();
    let Ok(description) = Description::from_wire(wire, &limits) else {
        return;
    };
    let json = serde_json::to_string(&description).expect("a description can be written");
    let read: Description = serde_json::from_str(&json).expect("and read again");
    assert_eq!(read, description);
}

/// A stamp of compiled code that was changed.
///
/// # Panics
/// If a stamp is read that is not byte for byte as it was written, or one that is is not.
pub fn stamp(bytes: &[u8]) {
    let mut source = Source(bytes);
    let key = [source.byte(); 32];
    let seen = [(); 5].map(|()| u64::from(source.number()));
    let stamp = Stamp {
        digest: [source.byte(); 32],
        seen: (seen != [0; 5]).then_some(Identity(seen)),
    };
    let written = stamp.encode(&key);
    let mut changed = written.clone();
    let changes = source.list(|source| (source.number(), source.byte()));
    for (at, with) in changes {
        let at = at as usize % changed.len();
        changed[at] ^= with;
    }
    match source.byte() {
        1 => changed.truncate(source.number() as usize),
        2 => changed.extend_from_slice(source.bytes()),
        3 => changed = source.0.to_vec(),
        _ => {}
    }
    let read = Stamp::decode(&changed, &key);
    assert_eq!(read, (changed == written).then_some(stamp));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every file of a target's corpus, with those of crashes that have been fixed.
    fn corpus(target: &str, run: fn(&[u8])) {
        let folder = format!("{}/../../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let mut files = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            run(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "the corpus of `{target}` is empty");
    }

    #[test]
    fn the_corpus_of_batches_passes() {
        corpus("batch", batch);
    }

    #[test]
    fn the_corpus_of_descriptions_passes() {
        corpus("description", description);
    }

    #[test]
    fn the_corpus_of_stamps_passes() {
        corpus("stamp", stamp);
    }
}
