use crate::prelude::*;
use crate::testing::{run_slice, run_transform};

#[row]
struct Click {
    customer: String,
    #[column("at second")]
    second: i64,
    note: Option<String>,
}

#[row]
#[derive(Debug, PartialEq)]
struct Session {
    session: i64,
    // In place of the input's.
    note: Option<String>,
}

#[state]
#[derive(Clone, Default)]
struct Last {
    customer: String,
    session: i64,
}

/// Numbers the clicks of a customer.
#[transform]
struct Numbered(Last);

impl RowTransform for Numbered {
    type Options = NoOptions;
    type State = Last;
    type Input = Click;
    type Output = Session;

    fn open(_options: NoOptions) -> Result<Self, Error> {
        Ok(Self(Last::default()))
    }

    fn row(&mut self, click: Click, output: &mut Emitter<Session>) -> Result<(), Error> {
        if self.0.customer != click.customer {
            self.0 = Last {
                customer: click.customer,
                session: 0,
            };
        }
        self.0.session += 1;
        output.emit(Session {
            session: self.0.session,
            note: click.note,
        });
        match click.second {
            ..0 => Err(Error::bad_data("before the beginning")),
            1000.. => Err(Error::config("too late")),
            _ => Ok(()),
        }
    }

    fn save(&self) -> Result<Last, Error> {
        Ok(self.0.clone())
    }

    fn restore(&mut self, state: Last) -> Result<(), Error> {
        self.0 = state;
        Ok(())
    }
}

fn clicks(rows: &[(&str, Option<i64>, Option<&str>)]) -> RecordBatch {
    let notes: ArrayRef = Arc::new(StringArray::from_iter(rows.iter().map(|row| row.2)));
    let customers: ArrayRef = Arc::new(StringArray::from_iter_values(rows.iter().map(|row| row.0)));
    let seconds: ArrayRef = Arc::new(Int64Array::from_iter(rows.iter().map(|row| row.1)));
    let columns = [
        ("note", notes),
        ("customer", customers),
        ("at second", seconds),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

#[test]
fn rows_are_taken_and_given_as_structs() {
    let first = clicks(&[
        ("a", Some(1), Some("x")),
        ("a", Some(2), None),
        ("b", Some(3), None),
    ]);
    let second = clicks(&[("b", Some(4), Some("y"))]);
    let ran = run_transform::<Numbered>("{}", vec![first, second]).unwrap();
    // The columns of the input in their order, then what is new.
    let schema = ran.batches[0].schema();
    let names: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    assert_eq!(names, ["note", "customer", "at second", "session"]);
    assert!(!schema.field(3).is_nullable() && schema.field(0).is_nullable());
    let sessions = |batch: &RecordBatch| {
        column::<Int64Array>(batch, "session")
            .unwrap()
            .values()
            .to_vec()
    };
    assert_eq!(sessions(&ran.batches[0]), [1, 2, 1]);
    assert_eq!(sessions(&ran.batches[1]), [2]);
    let notes = column::<StringArray>(&ran.batches[0], "note").unwrap();
    assert_eq!(notes.iter().collect::<Vec<_>>(), [Some("x"), None, None]);
}

#[test]
fn a_row_is_rejected_by_an_error_of_the_data_and_by_a_null() {
    let batch = clicks(&[
        ("a", Some(-1), None),
        ("a", None, None),
        ("a", Some(1), None),
    ]);
    let ran = run_transform::<Numbered>("{}", vec![batch]).unwrap();
    let rejected: Vec<(usize, &str)> = ran
        .rejected
        .iter()
        .map(|rejected| (rejected.row, rejected.reason.as_str()))
        .collect();
    assert_eq!(
        rejected,
        [(0, "before the beginning"), (1, "`at second` is null")]
    );
    assert_eq!(ran.batches[0].num_rows(), 1);
}

#[test]
fn other_errors_end_the_run_with_their_row() {
    let batch = clicks(&[("a", Some(1), None), ("a", Some(1000), None)]);
    let error = run_transform::<Numbered>("{}", vec![batch]).unwrap_err();
    assert_eq!(error.to_string(), "too late (row 1)");
}

#[test]
fn the_state_moves_from_slice_to_slice() {
    let ran = run_slice::<Numbered>("{}", None, vec![clicks(&[("a", Some(1), None)])]).unwrap();
    let ran = run_slice::<Numbered>(
        "{}",
        ran.state.as_deref(),
        vec![clicks(&[("a", Some(2), None)])],
    );
    let ran = ran.unwrap();
    assert_eq!(
        column::<Int64Array>(&ran.batches[0], "session")
            .unwrap()
            .values(),
        &[2]
    );
}

#[test]
fn columns_of_other_types_and_missing_ones_are_named() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
    let columns = [
        ("customer", texts.clone()),
        ("at second", texts.clone()),
        ("note", texts),
    ];
    let wrong = RecordBatch::try_from_iter(columns.clone()).unwrap();
    let error = run_transform::<Numbered>("{}", vec![wrong]).unwrap_err();
    assert_eq!(
        error.message(),
        "the column `at second` is of type Utf8, not Int64"
    );
    let lacking = RecordBatch::try_from_iter(columns[..1].to_vec()).unwrap();
    let error = run_transform::<Numbered>("{}", vec![lacking]).unwrap_err();
    assert!(
        error
            .message()
            .starts_with("there is no column `at second`"),
        "{error}"
    );
}

#[row]
struct Value {
    value: i64,
}

#[row]
struct Total {
    total: i64,
}

/// The sum of all.
#[transform]
struct Sum(i64);

impl RowTransform for Sum {
    type Options = NoOptions;
    type State = ();
    type Input = Value;
    type Output = Total;

    const CARRIES: bool = false;

    fn open(_options: NoOptions) -> Result<Self, Error> {
        Ok(Self(0))
    }

    fn row(&mut self, row: Value, _output: &mut Emitter<Total>) -> Result<(), Error> {
        self.0 += row.value;
        Ok(())
    }

    fn finish(&mut self, _end: End, output: &mut Emitter<Total>) -> Result<(), Error> {
        output.emit(Total { total: self.0 });
        Ok(())
    }
}

#[test]
fn rows_of_the_end_stand_alone() {
    let values: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 39]));
    let batch = RecordBatch::try_from_iter([("value", values)]).unwrap();
    let ran = run_transform::<Sum>("{}", vec![batch]).unwrap();
    assert_eq!(ran.batches[0].num_columns(), 1);
    assert_eq!(
        column::<Int64Array>(&ran.batches[0], "total")
            .unwrap()
            .values(),
        &[42]
    );
}
