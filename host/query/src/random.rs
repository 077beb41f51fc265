//! SQL's `random()` and `uuid()` out of a seed, for tests of pipelines.
//!
//! The numbers are drawn in the order in which a plan asks for them. So the same plan over the same rows gets the same ones again if
//! nothing in it runs at the same time, which is why tests run in one partition.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use parking_lot::Mutex;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// The functions, to be registered in place of DataFusion's own.
pub(crate) fn functions(seed: u64) -> [ScalarUDF; 2] {
    [Draw::Number, Draw::Uuid].map(|draw| {
        let mut numbers = ChaCha8Rng::seed_from_u64(seed);
        // Of its own for each: a column of keys that is left out changes no other column.
        numbers.set_stream(draw as u64);
        ScalarUDF::new_from_impl(Seeded {
            draw,
            aliases: match draw {
                Draw::Number => vec!["rand".to_owned()],
                Draw::Uuid => vec![],
            },
            signature: Signature::nullary(Volatility::Volatile),
            numbers: Mutex::new(numbers),
        })
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Draw {
    Number,
    Uuid,
}

#[derive(Debug)]
struct Seeded {
    draw: Draw,
    aliases: Vec<String>,
    signature: Signature,
    numbers: Mutex<ChaCha8Rng>,
}

impl PartialEq for Seeded {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Eq for Seeded {}

impl Hash for Seeded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.draw.hash(state);
    }
}

impl ScalarUDFImpl for Seeded {
    fn name(&self) -> &str {
        match self.draw {
            Draw::Number => "random",
            Draw::Uuid => "uuid",
        }
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(match self.draw {
            Draw::Number => DataType::Float64,
            Draw::Uuid => DataType::Utf8,
        })
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut numbers = self.numbers.lock();
        let rows = 0..arguments.number_rows;
        let column: ArrayRef = match self.draw {
            // The 53 bits that a double holds exactly, as a fraction of one.
            Draw::Number => {
                Arc::new(Float64Array::from_iter_values(rows.map(|_| {
                    (numbers.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
                })))
            }
            Draw::Uuid => Arc::new(StringArray::from_iter_values(rows.map(|_| {
                let mut bytes = [0; 16];
                numbers.fill_bytes(&mut bytes);
                let uuid = uuid::Builder::from_random_bytes(bytes).into_uuid();
                uuid.to_string()
            }))),
        };
        Ok(ColumnarValue::Array(column))
    }
}
