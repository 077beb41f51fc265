//! Wrong answers of every function but those that give batches: descriptions, schemas, columns that are not there, errors.

use crate::Case;
use crate::canonical::{Batch, Field, Image, Output};
use crate::guest::Guest;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = descriptions();
    cases.extend(schemas());
    cases.extend(openings());
    cases.extend(errors());
    cases
}

fn case(name: &str, guest: impl FnOnce() -> Guest + Send + 'static) -> Case {
    Case::new(name, move || guest().component())
}

fn int() -> [Field; 1] {
    [Field::new("a", "l")]
}

fn descriptions() -> Vec<Case> {
    let described = |name: &str, describe: fn(&mut Image) -> Vec<u8>| {
        case(name, move || Guest::new().answering("describe", describe))
    };
    vec![
        described("function_named_like_sql", |image| {
            let function = image.function("f\"; drop table users; --", &int(), &int());
            image.description("hostile", &[function], &[])
        }),
        described("function_without_a_name", |image| {
            let function = image.function("", &int(), &int());
            image.description("hostile", &[function], &[])
        }),
        described("function_with_a_name_of_a_megabyte", |image| {
            let function = image.function(&"f".repeat(1_000_000), &int(), &int());
            image.description("hostile", &[function], &[])
        }),
        described("function_described_twice", |image| {
            let function = image.function("f", &int(), &int());
            image.description("hostile", &[function.clone(), function], &[])
        }),
        described("functions_without_number", |image| {
            let function = image.function("f", &int(), &int());
            image.description("hostile", &vec![function; 10_001], &[])
        }),
        described("option_schema_that_is_not_json", |image| {
            let transform = image.transform("t", "{\"properties\": ");
            image.description("hostile", &[], &[transform])
        }),
        described("argument_of_a_struct_with_a_nameless_field", |image| {
            let argument = [Field::parent("a", "+s", 1), Field::new("", "l")];
            let function = image.function("f", &argument, &int());
            image.description("hostile", &[function], &[])
        }),
        described("option_schema_that_is_a_number", |image| {
            let transform = image.transform("t", "3.333333333333333e41");
            image.description("hostile", &[], &[transform])
        }),
        described("option_schema_nested_100000_deep", |image| {
            let transform = image.transform("t", &"[".repeat(60_000));
            image.description("hostile", &[], &[transform])
        }),
        described("option_schema_of_a_megabyte", |image| {
            let transform = image.transform("t", &" ".repeat(500_000));
            image.description("hostile", &[], &[transform])
        }),
        described("column_required_twice", |image| {
            let transform = image.ordered_transform("t", "", &["k"], &["v", "k"]);
            image.description("hostile", &[], &[transform])
        }),
        described("required_column_with_a_name_of_a_megabyte", |image| {
            let name = "k".repeat(1_000_000);
            let transform = image.ordered_transform("t", "", &[&name], &[]);
            image.description("hostile", &[], &[transform])
        }),
        described("required_column_with_a_zero_byte", |image| {
            let transform = image.ordered_transform("t", "", &["k\0"], &[]);
            image.description("hostile", &[], &[transform])
        }),
        described("required_columns_without_number", |image| {
            let transform = image.ordered_transform("t", "", &["k"; 10_001], &[]);
            image.description("hostile", &[], &[transform])
        }),
        case("description_that_is_no_text", || {
            let mut guest = Guest::new();
            let name = guest.image.bytes(b"\xff\xfe");
            let rest = guest.image.list(&[]);
            let description = [name.clone(), name, rest.clone(), rest].concat();
            guest.answering("describe", |_| description)
        }),
        case("description_with_a_volatility_that_is_none", || {
            Guest::new().answering("describe", |image| {
                let mut function = image.function("f", &int(), &int());
                function[36] = 200;
                image.description("hostile", &[function], &[])
            })
        }),
    ]
}

fn schemas() -> Vec<Case> {
    let returning = |name: &str, fields: fn() -> Vec<Field>| {
        case(name, move || {
            Guest::new().answering("open_function", |image| image.opened_function(0, &fields()))
        })
    };
    let mut cases = vec![
        returning("schema_of_no_field", Vec::new),
        returning("schema_of_two_fields_for_one", || {
            vec![Field::new("a", "l"), Field::new("b", "l")]
        }),
        returning("schema_of_fewer_children_than_it_says", || {
            vec![Field::parent("a", "+s", 3), Field::new("b", "l")]
        }),
        returning("schema_of_four_billion_children", || {
            vec![Field::parent("a", "+s", u32::MAX)]
        }),
        returning("schema_nested_1000_deep", || {
            let mut fields = vec![Field::parent("a", "+l", 1); 1000];
            fields.push(Field::new("a", "l"));
            fields
        }),
        returning("schema_with_a_name_of_a_megabyte", || {
            vec![Field::new(&"a".repeat(500_000), "l")]
        }),
        returning("schema_with_metadata_of_a_megabyte", || {
            let mut field = Field::new("a", "l");
            field.metadata = vec![("k".to_owned(), "v".repeat(500_000))];
            vec![field]
        }),
        returning("schema_with_a_zero_byte_in_a_name", || {
            vec![Field::new("a\0b", "l")]
        }),
        returning("schema_with_a_name_that_rewrites_the_terminal", || {
            vec![Field::new("\x1b[2J\x1b[1;1Hall is well\r\n", "?")]
        }),
    ];
    // Format strings of the C data interface that are none, or of types that cannot cross.
    for (name, format) in [
        ("empty", ""),
        ("unknown", "?"),
        ("of_a_view", "vu"),
        ("of_a_union", "+ud:0,1"),
        ("of_a_run_end_encoding", "+r"),
        ("of_a_negative_width", "w:-1"),
        ("of_a_width_beyond_numbers", "w:99999999999999999999"),
        ("of_a_negative_list", "+w:-1"),
        ("of_a_decimal_too_precise", "d:77,0"),
        ("of_a_decimal_of_7_bits", "d:3,0,7"),
        ("of_a_decimal_of_no_numbers", "d:x"),
        ("with_a_zero_byte", "l\0"),
        ("of_a_time_zone_with_a_line_break", "tsu:UTC\n"),
    ] {
        cases.push(case(&format!("format_{name}"), move || {
            Guest::new().answering("open_function", |image| {
                image.opened_function(0, &[Field::new("a", format)])
            })
        }));
    }
    cases.push(returning("format_of_half_a_megabyte", || {
        vec![Field::new("a", &format!("tsu:{}", "UTC".repeat(150_000)))]
    }));
    cases
}

fn openings() -> Vec<Case> {
    let opened = |name: &str, reads: fn() -> Vec<u32>, output: fn() -> Vec<Output>| {
        case(name, move || {
            Guest::new().answering("open_transform", |image| {
                image.opened_transform(&reads(), &output())
            })
        })
    };
    let computed = |name: &str| Output::Computed(vec![Field::new(name, "l")]);
    let mut schema_of_100000_fields = opened("schema_of_100000_fields", Vec::new, || {
        vec![Output::Computed(int().to_vec()); 100_000]
    });
    schema_of_100000_fields.limits.output = 64 << 20;
    schema_of_100000_fields.limits.memory = 64 << 20;
    schema_of_100000_fields.limits.component = 64 << 20;
    let mut many_reads = opened(
        "reads_a_column_200000_times",
        || vec![0; 200_000],
        || vec![Output::Input(0)],
    );
    many_reads.limits.output = 64 << 20;
    let mut many_children = opened("schema_of_100000_fields_in_ten_columns", Vec::new, || {
        (0..20)
            .map(|number| {
                let parent = Field::parent(&format!("c{number}"), "+s", 5_000);
                let children = std::iter::repeat_n(Field::new("a", "l"), 5_000);
                Output::Computed(std::iter::once(parent).chain(children).collect())
            })
            .collect()
    });
    many_children.limits = schema_of_100000_fields.limits.clone();
    vec![
        opened("reads_a_column_that_is_not_there", || vec![2], Vec::new),
        opened("carries_over_a_column_that_is_not_there", Vec::new, || {
            vec![Output::Input(2)]
        }),
        opened("carries_over_a_column_of_a_huge_number", Vec::new, || {
            vec![Output::Input(u32::MAX)]
        }),
        opened("two_output_columns_of_one_name", Vec::new, || {
            vec![Output::Input(0), Output::Input(0)]
        }),
        opened("output_column_without_a_name", Vec::new, || {
            vec![Output::Computed(vec![Field::new("", "l")])]
        }),
        opened("output_column_of_two_fields", Vec::new, || {
            vec![Output::Computed(vec![
                Field::new("a", "l"),
                Field::new("b", "l"),
            ])]
        }),
        case(
            "output_column_that_is_neither_computed_nor_carried_over",
            move || {
                Guest::new().answering("open_transform", |image| {
                    let good = image.opened_transform(&[], &[computed("a")]);
                    let mut column = vec![9, 0, 0, 0];
                    column.extend_from_slice(&[0; 8]);
                    let columns = image.list(&[column]);
                    [good[..12].to_vec(), columns].concat()
                })
            },
        ),
        schema_of_100000_fields,
        many_children,
        many_reads,
    ]
}

fn errors() -> Vec<Case> {
    vec![
        case("error_of_no_kind", || {
            Guest::new().failing("process", 9, "")
        }),
        case("error_at_a_row_that_is_not_there", || {
            Guest::new().failing("process", 0, "so there")
        }),
        case("error_of_half_a_megabyte", || {
            Guest::new().failing("process", 3, &"why ".repeat(120_000))
        }),
        case("error_that_rewrites_the_terminal", || {
            Guest::new().failing(
                "process",
                3,
                "\x1b]8;;http://evil\x07click\x1b]8;;\x07\r\u{202e}\u{9b}2J",
            )
        }),
        case("error_while_describing", || {
            Guest::new().failing("describe", 1, "not today")
        }),
        case("error_while_restoring", || {
            Guest::new().failing("restore", 3, "a state of another version")
        }),
        case("function_of_more_rows_than_it_got", || {
            column(Batch {
                rows: 4,
                nodes: vec![(4, 0)],
                buffers: vec![vec![], vec![0; 32]],
            })
        }),
        case("function_of_fewer_rows_than_it_got", || {
            column(Batch {
                rows: 2,
                nodes: vec![(2, 0)],
                buffers: vec![vec![], vec![0; 16]],
            })
        }),
        case("function_that_returns_no_column", || {
            column(Batch {
                rows: 3,
                ..Batch::default()
            })
        }),
    ]
}

fn column(column: Batch) -> Guest {
    Guest::new().answering("call", |image| image.column(&column, &[]))
}
