//! Values of the contract in the memory of a guest, laid out by hand as the canonical ABI says.
//!
//! A hostile guest is mostly one wrong answer, and an answer is bytes at an address: [`Image`] collects them, so that a case says
//! only what is wrong. Each function gives the bytes of one value; lists and texts go into the image and leave pointer and length.

/// Bytes that a guest's memory holds from [`Image::BASE`] on.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    bytes: Vec<u8>,
}

/// One field of a schema.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) format: String,
    pub(crate) nullable: bool,
    pub(crate) metadata: Vec<(String, String)>,
    pub(crate) children: u32,
}

impl Field {
    /// A nullable field without children.
    pub(crate) fn new(name: &str, format: &str) -> Self {
        Self {
            name: name.to_owned(),
            format: format.to_owned(),
            nullable: true,
            metadata: vec![],
            children: 0,
        }
    }

    /// As [`Self::new`], with as many of the following fields as children.
    pub(crate) fn parent(name: &str, format: &str, children: u32) -> Self {
        Self {
            children,
            ..Self::new(name, format)
        }
    }

    /// The field without nulls.
    pub(crate) fn required(self) -> Self {
        Self {
            nullable: false,
            ..self
        }
    }
}

/// A batch: rows, nodes as (length, null count), buffers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Batch {
    pub(crate) rows: u32,
    pub(crate) nodes: Vec<(u32, u32)>,
    pub(crate) buffers: Vec<Vec<u8>>,
}

/// Bytes that begin at a multiple of four, as every word of a record does.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Image {
    /// Where the image lies in the guest's memory; what is below is the guest's own.
    pub(crate) const BASE: u32 = 4096;

    pub(crate) fn new() -> Self {
        Self { bytes: vec![] }
    }

    /// The first address behind the image, aligned.
    pub(crate) fn end(&self) -> u32 {
        (Self::BASE + self.bytes.len() as u32).next_multiple_of(16)
    }

    /// The image as a string of the text format.
    pub(crate) fn text(&self) -> String {
        self.bytes
            .iter()
            .map(|byte| format!("\\{byte:02x}"))
            .collect()
    }

    /// Puts bytes into the image; their address.
    pub(crate) fn place(&mut self, bytes: &[u8]) -> u32 {
        let at = self.bytes.len().next_multiple_of(16);
        self.bytes.resize(at, 0);
        self.bytes.extend_from_slice(bytes);
        Self::BASE + at as u32
    }

    /// A list of bytes or a string.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Vec<u8> {
        let at = self.place(bytes);
        words(&[at, bytes.len() as u32])
    }

    /// A list of values of one size.
    pub(crate) fn list(&mut self, items: &[Vec<u8>]) -> Vec<u8> {
        let at = self.place(&items.concat());
        words(&[at, items.len() as u32])
    }

    pub(crate) fn fields(&mut self, fields: &[Field]) -> Vec<u8> {
        let items: Vec<Vec<u8>> = fields
            .iter()
            .map(|field| {
                let pairs: Vec<Vec<u8>> = field
                    .metadata
                    .iter()
                    .map(|(key, value)| {
                        [self.bytes(key.as_bytes()), self.bytes(value.as_bytes())].concat()
                    })
                    .collect();
                [
                    self.bytes(field.name.as_bytes()),
                    self.bytes(field.format.as_bytes()),
                    words(&[u32::from(field.nullable)]),
                    self.list(&pairs),
                    words(&[field.children]),
                ]
                .concat()
            })
            .collect();
        self.list(&items)
    }

    pub(crate) fn batch(&mut self, batch: &Batch) -> Vec<u8> {
        let nodes: Vec<Vec<u8>> = batch
            .nodes
            .iter()
            .map(|(length, nulls)| words(&[*length, *nulls]))
            .collect();
        let buffers: Vec<Vec<u8>> = batch
            .buffers
            .iter()
            .map(|buffer| self.bytes(buffer))
            .collect();
        [words(&[batch.rows]), self.list(&nodes), self.list(&buffers)].concat()
    }

    pub(crate) fn rejected(&mut self, rejected: &[(u32, &str)]) -> Vec<u8> {
        let items: Vec<Vec<u8>> = rejected
            .iter()
            .map(|(row, reason)| [words(&[*row]), self.bytes(reason.as_bytes())].concat())
            .collect();
        self.list(&items)
    }

    /// The outcome of `scalar.call`.
    pub(crate) fn column(&mut self, column: &Batch, rejected: &[(u32, &str)]) -> Vec<u8> {
        [self.batch(column), self.rejected(rejected)].concat()
    }

    /// The outcome of `table.process`, with one part.
    pub(crate) fn outcome(
        &mut self,
        part: &Batch,
        source_rows: Option<&[u8]>,
        rejected: &[(u32, &str)],
    ) -> Vec<u8> {
        let source = match source_rows {
            None => words(&[0, 0, 0]),
            Some(bytes) => [words(&[1]), self.bytes(bytes)].concat(),
        };
        let part = [self.batch(part), source].concat();
        [self.list(&[part]), self.rejected(rejected), words(&[0])].concat()
    }

    /// An outcome without rows.
    pub(crate) fn nothing(&mut self, more: bool) -> Vec<u8> {
        [self.list(&[]), self.list(&[]), words(&[u32::from(more)])].concat()
    }

    /// As [`Self::outcome`], with more to come.
    pub(crate) fn more(&mut self, part: &Batch) -> Vec<u8> {
        let mut outcome = self.outcome(part, None, &[]);
        // Behind two lists, each an address and a length.
        outcome[16] = 1;
        outcome
    }

    /// What `scalar.open` returns.
    pub(crate) fn opened_function(&mut self, handle: u32, output: &[Field]) -> Vec<u8> {
        [words(&[handle]), self.fields(output)].concat()
    }

    /// What `table.open` returns; of the output columns each is computed, or an input column.
    pub(crate) fn opened_transform(&mut self, reads: &[u32], output: &[Output]) -> Vec<u8> {
        let reads: Vec<Vec<u8>> = reads.iter().map(|read| words(&[*read])).collect();
        let output: Vec<Vec<u8>> = output
            .iter()
            .map(|column| match column {
                Output::Computed(fields) => [words(&[0]), self.fields(fields)].concat(),
                Output::Input(index) => words(&[1, *index, 0]),
            })
            .collect();
        [words(&[0]), self.list(&reads), self.list(&output)].concat()
    }

    /// What `meta.describe` returns; functions and transforms as [`Self::function`] and [`Self::transform`] give them.
    pub(crate) fn description(
        &mut self,
        name: &str,
        functions: &[Vec<u8>],
        transforms: &[Vec<u8>],
    ) -> Vec<u8> {
        [
            self.bytes(name.as_bytes()),
            self.bytes(b"1.0.0"),
            self.list(functions),
            self.list(transforms),
        ]
        .concat()
    }

    /// A function of one argument.
    pub(crate) fn function(&mut self, name: &str, argument: &[Field], output: &[Field]) -> Vec<u8> {
        let argument = [self.bytes(b"a"), words(&[0]), self.fields(argument)].concat();
        [
            self.bytes(name.as_bytes()),
            self.bytes(b""),
            self.list(&[argument]),
            words(&[0]),
            self.fields(output),
            words(&[0]),
        ]
        .concat()
    }

    pub(crate) fn transform(&mut self, name: &str, options: &str) -> Vec<u8> {
        self.ordered_transform(name, options, &[], &[])
    }

    /// A transform that requires columns to partition by, and to sort by.
    pub(crate) fn ordered_transform(
        &mut self,
        name: &str,
        options: &str,
        partition_by: &[&str],
        order_by: &[&str],
    ) -> Vec<u8> {
        let keys = partition_by.iter().map(|key| self.bytes(key.as_bytes()));
        let keys: Vec<Vec<u8>> = keys.collect();
        let order = order_by.iter().map(|key| {
            let ascending = words(&[0]);
            [self.bytes(key.as_bytes()), ascending].concat()
        });
        let order: Vec<Vec<u8>> = order.collect();
        [
            self.bytes(name.as_bytes()),
            self.bytes(b""),
            self.bytes(options.as_bytes()),
            words(&[0]),
            self.list(&keys),
            self.list(&order),
        ]
        .concat()
    }

    /// Puts `result::ok` of a value into the image; the address that the function returns.
    pub(crate) fn ok(&mut self, value: &[u8]) -> u32 {
        let bytes = [words(&[0]), value.to_vec()].concat();
        // As long as the longest case of any result in the contract, which is read whole.
        let padded = [bytes, vec![0; 32]].concat();
        self.place(&padded)
    }

    /// Puts `result::err` into the image.
    pub(crate) fn error(&mut self, kind: u32, message: &str, row: Option<u32>) -> u32 {
        let row = row.map_or([0, 0], |row| [1, row]);
        let bytes = [
            words(&[1, kind]),
            self.bytes(message.as_bytes()),
            words(&row),
            words(&[0, 0]),
        ]
        .concat();
        self.place(&bytes)
    }
}

/// Where a column of a transform's output comes from.
#[derive(Debug, Clone)]
pub(crate) enum Output {
    Computed(Vec<Field>),
    Input(u32),
}
