//! The table of rules. Texts that were not measured are PostgreSQL 8.0's, from which Redshift comes, and tagged `Known`.

use super::{Rule, Source};

macro_rules! rules {
    ($($name:ident, $sqlstate:literal, $code:literal, $source:ident, $text:literal, $about:literal;)*) => {
        $(
            pub(crate) static $name: Rule = Rule {
                name: stringify!($name),
                sqlstate: $sqlstate,
                code: $code,
                text: $text,
                source: Source::$source,
                about: $about,
            };
        )*
        pub(super) static ALL: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    // This crate's own.
    NOT_YET, "ZT001", 0, Local, "not yet in the local Redshift: {}", "what Redshift can do and this program cannot";
    INTERNAL, "ZT002", 0, Local, "the local Redshift failed: {}", "a fault of this program or of the disk";

    // Syntax.
    SYNTAX_ERROR, "42601", 0, Known, "syntax error at or near \"{}\"", "what does not parse, or what only other dialects have";
    MULTIPLE_COMMANDS, "42601", 0, Known, "cannot insert multiple commands into a prepared statement", "several statements with parameters";
    REDUNDANT_OPTION, "42601", 0, Known, "conflicting or redundant options", "an option of COPY or UNLOAD that stands twice";
    TOO_LARGE, "54000", 0, Documented, "Cannot process query string larger than {}", "a statement of more than 16 MB, or 100 kB by the Data API";
    TOO_DEEP, "54001", 0, Known, "stack depth limit exceeded", "expressions nested too deeply";
    PARAMETER_MISSING, "42P02", 0, Known, "there is no parameter {}", "a parameter without a value";

    // What Redshift refuses and PostgreSQL does not.
    UNSUPPORTED, "0A000", 0, Documented, "{} is not supported", "features of PostgreSQL that Redshift does not have";
    UNSUPPORTED_TYPE, "0A000", 0, Documented, "Column \"{}\" has unsupported type \"{}\".", "types of PostgreSQL that Redshift does not have";
    INDEX_UNSUPPORTED, "0A000", 0, Known, "SQL command \"{}\" not supported on Redshift tables.", "CREATE INDEX and others of its kind";
    LEADER_ONLY, "0A000", 0, Documented, "Specified types or functions (one per INFO message) not supported on Redshift tables.", "functions of the leader node in a query of tables";
    TABLE_ONLY, "0A000", 0, Reported, "One or more of the used functions must be applied on at least one user created tables. Examples of user table only functions are LISTAGG, MEDIAN, PERCENTILE_CONT, etc", "LISTAGG, MEDIAN and PERCENTILE_CONT without a table";
    CORRELATION, "0A000", 0, Reported, "This type of correlated subquery pattern is not supported yet", "a subquery that refers to another query than the one around it, or does so in ON of an outer join, beside a window function or in GROUP BY";
    CONSTANT_IN_WINDOW, "0A000", 0, Reported, "constant expressions are not supported in {} clauses", "a constant in PARTITION BY or ORDER BY of a window";
    FRAME_REQUIRED, "42601", 0, Documented, "Aggregate window functions with an ORDER BY clause require a frame clause", "sums over an ordered window without a frame";
    ADD_COLUMN_NOT_NULL, "42601", 0, Documented, "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression", "a new NOT NULL column without a default";
    ALTER_TYPE_IN_TRANSACTION, "25001", 0, Documented, "ALTER TABLE ALTER COLUMN cannot run inside a transaction block", "a change of a column's type between BEGIN and COMMIT";
    ALTER_TYPE_REFUSED, "0A000", 0, Documented, "cannot alter type of a column \"{}\"", "changes of type other than of a VARCHAR's size";
    ALTER_TYPE_SHRINKS, "0A000", 0, Documented, "cannot alter column \"{}\": the target column size is smaller than the maximum length of its data", "a VARCHAR that becomes too short for its data";
    NO_TRANSACTION_BLOCK, "25001", 0, Documented, "{} cannot run inside a transaction block", "VACUUM and others between BEGIN and COMMIT";
    LIMIT_IN_UNLOAD, "0A000", 0, Measured, "Limit clause is not supported", "UNLOAD of a query with a LIMIT";
    MERGE_CLAUSES, "42601", 0, Documented, "MERGE requires one WHEN MATCHED and one WHEN NOT MATCHED clause, without conditions", "MERGE with one clause, or with AND";
    MERGE_CONDITION, "0A000", 0, Documented, "MERGE requires an equality between columns of the target and of the source in ON", "MERGE by another comparison, or by none";
    MERGE_SOURCE, "0A000", 0, Documented, "MERGE source must be a table other than the target", "MERGE from a query, a view or the target itself";
    MERGE_DUPLICATES, "42601", 0, Documented, "MERGE REMOVE DUPLICATES requires tables with the same columns", "REMOVE DUPLICATES with different tables";
    UPDATE_OUTER_JOIN, "0A000", 0, Documented, "Target table must be part of an equijoin predicate", "UPDATE with an outer join in FROM";
    MERGE_PARTIAL, "0A000", 0, Documented, "Partial reference of SUPER column is not supported in MERGE statement.", "MERGE with a part of a SUPER value";
    MULTIPLE_MATCHES, "21000", 0, Documented, "Found multiple matches to update the same tuple", "a row that matches several rows of a source";

    // Names.
    UNDEFINED_TABLE, "42P01", 0, Known, "relation \"{}\" does not exist", "a table or view that is not there";
    MISSING_FROM, "42P01", 0, Known, "missing FROM-clause entry for table \"{}\"", "a column of a table that the query does not have, or of another schema";
    DUPLICATE_TABLE, "42P07", 0, Known, "Relation \"{}\" already exists", "a table or view that is there already";
    UNIQUE_NAME, "23505", 0, Reported, "duplicate key violates unique constraint \"pg_class_relname_nsp_index\"", "two transactions that create one table";
    UNDEFINED_SCHEMA, "3F000", 0, Known, "schema \"{}\" does not exist", "a schema that is not there";
    DUPLICATE_SCHEMA, "42P06", 0, Known, "schema \"{}\" already exists", "a schema that is there already";
    SCHEMA_NOT_EMPTY, "2BP01", 0, Known, "cannot drop {} because other objects depend on it", "DROP of what others use, without CASCADE";
    RESERVED_SCHEMA, "42501", 0, Known, "permission denied for schema {}", "writing to a schema of the system";
    INVALID_ENCODING, "42P16", 0, Known, "invalid encoding type specified for column \"{}\"", "an encoding that there is not, or not for the type";
    UNDEFINED_REFERENCE, "42703", 0, Known, "column \"{}\" referenced in foreign key constraint does not exist", "a foreign key to a column that is not there";
    REFERENCE_COUNT, "42830", 0, Known, "number of referencing and referenced columns for foreign key disagree", "a foreign key with more or fewer columns than it refers to";
    NO_REFERENCED_KEY, "42830", 0, Known, "there is no unique constraint matching given keys for referenced table \"{}\"", "a foreign key to columns that are no key";
    NO_PRIMARY_KEY, "42704", 0, Known, "there is no primary key for referenced table \"{}\"", "a foreign key without columns, to a table without a primary key";
    NULLABLE_KEY, "42P16", 0, Documented, "cannot add a primary-key constraint to the nullable column \"{}\"", "ALTER TABLE ADD PRIMARY KEY of a column that takes NULL";
    DUPLICATE_CONSTRAINT, "42710", 0, Known, "constraint \"{}\" for relation \"{}\" already exists", "two constraints of one name";
    UNDEFINED_CONSTRAINT, "42704", 0, Known, "constraint \"{}\" does not exist", "DROP CONSTRAINT of one that is not there";
    SECOND_KEY, "42P16", 0, Known, "multiple primary keys for table \"{}\" are not allowed", "a second PRIMARY KEY";
    CONFLICTING_NULLS, "42601", 0, Known, "conflicting NULL/NOT NULL declarations for column \"{}\" of table \"{}\"", "a column that is NULL and NOT NULL";
    VIEW_NAMES, "42601", 0, Known, "CREATE VIEW specifies more column names than columns", "a view with more names of columns than its query has columns";
    VIEW_COLUMNS, "42P16", 0, Documented, "cannot change {}", "CREATE OR REPLACE VIEW with other columns";
    LATE_NAMES, "0A000", 0, Documented, "All the relation names inside should be qualified when creating views with no schema binding.", "a view that is bound late, of tables without their schema";
    WITHIN_GROUP, "0A000", 0, Documented, "within group ORDER BY clauses for aggregate functions must be the same", "LISTAGG, PERCENTILE_CONT and MEDIAN in different orders in one query";
    UNDEFINED_COLUMN, "42703", 0, Known, "column \"{}\" does not exist", "a column that is not there";
    UNDEFINED_COPY_COLUMN, "42703", 0, Known, "column \"{}\" of relation \"{}\" does not exist", "a column list with an unknown name";
    AMBIGUOUS_COLUMN, "42702", 0, Known, "column reference \"{}\" is ambiguous", "a column that two tables have";
    DUPLICATE_COLUMN, "42701", 0, Known, "column \"{}\" specified more than once", "a name that stands twice in a list of columns";
    DUPLICATE_ALIAS, "42712", 0, Known, "table name \"{}\" specified more than once", "two tables of one name in a FROM clause";
    UNDEFINED_FUNCTION, "42883", 0, Known, "function {}() does not exist", "functions that Redshift does not have";
    UNDEFINED_OPERATOR, "42883", 0, Known, "operator does not exist: {} {} {}", "operators that two types do not have";
    NO_SIGN, "42883", 0, Known, "operator does not exist: {} {}", "a sign before a text or a date";
    WRONG_ARGUMENTS, "42883", 0, Known, "function {}({}) does not exist", "a function with arguments that it does not take";
    UNDEFINED_TYPE, "42704", 0, Known, "type \"{}\" does not exist", "a type that is not there";
    NOT_A_TABLE, "42809", 0, Known, "\"{}\" is not a table", "a view where a table must be";
    NOT_A_VIEW, "42809", 0, Known, "\"{}\" is not a view", "a table where a view must be";
    TOO_MANY_COLUMNS, "54011", 0, Documented, "tables can have at most 1600 columns", "a table of more than 1,600 columns";
    WITH_NAME, "42712", 0, Known, "WITH query name \"{}\" specified more than once", "two queries of one name in a WITH clause";
    ALIAS_COLUMNS, "42P10", 0, Known, "table has {} columns available but {} columns specified", "more names of columns after an alias than there are columns";
    NO_PLACE, "42P10", 0, Known, "{} position {} is not in select list", "a number in GROUP BY or ORDER BY that is no place in the list";
    NON_INTEGER, "42601", 0, Known, "non-integer constant in {}", "a text or another constant in GROUP BY or ORDER BY";
    DISTINCT_ORDER, "42P10", 0, Known, "for SELECT DISTINCT, ORDER BY expressions must appear in select list", "SELECT DISTINCT in the order of something else";
    NO_TABLES, "42601", 0, Known, "SELECT * with no tables specified is not valid", "* without FROM";
    SET_ORDER, "0A000", 0, Known, "ORDER BY on a UNION/INTERSECT/EXCEPT result must be on one of the result columns", "a set operation in the order of an expression";
    GROUPING, "42803", 0, Known, "column \"{}\" must appear in the GROUP BY clause or be used in an aggregate function", "a column that is not grouped";
    AGGREGATE_PLACE, "42803", 0, Known, "aggregates not allowed in {} clause", "a sum or a count in WHERE, GROUP BY, ON, SET, VALUES or a default";
    NESTED_AGGREGATE, "42803", 0, Reported, "aggregate function calls may not have nested aggregate or window function", "a sum of sums, or of a window function";
    WINDOW_PLACE, "42P20", 0, Known, "window functions not allowed in {} clause", "a window function in WHERE, GROUP BY, HAVING, ON, SET, VALUES or a default";
    NESTED_WINDOW, "42P20", 0, Known, "window function calls cannot be nested", "a window function within another one, or in its OVER";
    FRAME_BOUNDS, "42P20", 0, Documented, "invalid window frame: {}", "a frame that starts after its end";
    NTILE_ARGUMENT, "22014", 0, Known, "argument of ntile must be greater than zero", "NTILE of no groups";
    NEGATIVE_LIMIT, "2201W", 0, Known, "LIMIT must not be negative", "a LIMIT below 0";
    NEGATIVE_OFFSET, "2201X", 0, Known, "OFFSET must not be negative", "an OFFSET below 0";
    RESERVED_COLUMN, "42701", 0, Documented, "column name \"{}\" conflicts with a system column name", "a column called oid, xmin, ..";
    SETTING_UNKNOWN, "42704", 0, Known, "unrecognized configuration parameter \"{}\"", "a parameter that is not there";
    SETTING_VALUE, "22023", 0, Known, "invalid value for parameter \"{}\": \"{}\"", "a parameter with a value that it does not take";
    SETTING_FIXED, "55P02", 0, Known, "parameter \"{}\" cannot be changed", "a parameter that SHOW alone knows";

    // Inserting.
    TOO_MANY_EXPRESSIONS, "42601", 0, Known, "INSERT has more expressions than target columns", "more values than columns";
    TOO_FEW_EXPRESSIONS, "42601", 0, Known, "INSERT has more target columns than expressions", "fewer values than columns";
    DATATYPE_MISMATCH, "42804", 0, Known, "column \"{}\" is of type {} but expression is of type {}", "a value of a type that the column does not take";
    TYPES_MATCH, "42804", 0, Known, "{} types {} and {} cannot be matched", "values of different kinds in COALESCE, CASE, UNION and the like";
    RECURSION_TYPES, "42804", 0, Known, "recursive query \"{}\" column {} has type {} in non-recursive term but type {} overall", "a recursion whose steps give values of a type that does not become that of the column without loss";
    NOT_BOOLEAN, "42804", 0, Known, "argument of {} must be type boolean, not type {}", "a number or a text in WHERE, HAVING, ON, AND, OR, NOT, CASE and the like";
    NOT_NULL, "23502", 8007, Measured, "Cannot insert a NULL value into column {}", "NULL in a NOT NULL column";
    IDENTITY_INSERT, "42601", 0, Documented, "cannot set an identity column to a value", "a value for an IDENTITY column";
    VALUES_SUBQUERY, "0A000", 0, Documented, "can't use subqueries in multi-row VALUES", "subqueries in an INSERT of several rows";
    UNION_COLUMNS, "42601", 0, Known, "each {} query must have the same number of columns", "set operations of different widths";

    // Values.
    DIVISION_BY_ZERO, "22012", 0, Known, "division by zero", "a division by zero";
    INTEGER_RANGE, "22003", 0, Known, "{} out of range", "a number that its type does not hold";
    FLOAT_RANGE, "22003", 0, Known, "value out of range: overflow", "a result that no float holds";
    INPUT_RANGE, "22003", 0, Known, "input is out of range", "a function of an angle or its inverse where it has no value";
    LOGARITHM_OF_ZERO, "2201E", 0, Known, "cannot take logarithm of zero", "the logarithm of 0";
    NEGATIVE_LOGARITHM, "2201E", 0, Known, "cannot take logarithm of a negative number", "the logarithm of a negative number";
    NEGATIVE_ROOT, "2201F", 0, Known, "cannot take square root of a negative number", "the square root of a negative number";
    NO_POWER, "2201F", 0, Known, "invalid argument for power function", "a power that is no real number";
    NUMERIC_RANGE, "22003", 1058, Known, "Numeric data overflow (result precision)", "a decimal with more digits than its type";
    TOO_LONG, "22001", 8001, Documented, "Value too long for type {}", "a text with more bytes than its column";
    INVALID_TEXT, "22P02", 0, Known, "invalid input syntax for type {}: \"{}\"", "a text that is no value of a type";
    INVALID_DATE, "22007", 0, Known, "invalid input syntax for type {}: \"{}\"", "a text that is no date or time";
    DATE_RANGE, "22008", 0, Known, "date/time field value out of range: \"{}\"", "a date that is not in the calendar";
    MOMENT_RANGE, "22008", 0, Known, "{} out of range", "a sum with a date or a timestamp that is beyond its type";
    ROW_ENTRIES, "42601", 0, Known, "unequal number of entries in row expressions", "rows of different widths that are compared";
    CANNOT_CAST, "42846", 0, Known, "cannot cast type {} to {}", "two types without a cast";
    NO_SUPER, "42846", 0, Documented, "{} could not convert type {} to super", "a date or a time in ARRAY or OBJECT";
    TYPE_MODIFIER, "22023", 0, Documented, "length for type {} cannot exceed {}", "a length or precision that a type does not have";
    DATA_EXCEPTION, "22000", 0, Known, "{}", "a value that a function does not take";
    INVALID_ARGUMENT, "22023", 0, Known, "invalid argument of {}: {}", "an argument that a function does not take";
    LISTAGG_LIMIT, "XX000", 8001, Documented, "Result size exceeds LISTAGG limit", "a list of more than 65,535 bytes";
    TEXT_LIMIT, "XX000", 8001, Known, "Result size exceeds {} limit", "a text of more than 65,535 bytes from REPEAT, LPAD or RPAD";
    SUBQUERY_ROWS, "21000", 0, Known, "more than one row returned by a subquery used as an expression", "a scalar subquery with several rows";
    SUBQUERY_COLUMNS, "42601", 0, Known, "subquery {}", "a subquery as an expression, or after IN, with more or fewer columns than are compared";
    SUBSTRING_LENGTH, "22011", 0, Known, "negative substring length not allowed", "SUBSTRING of less than no characters";
    INVALID_JSON, "XX000", 8001, Known, "Invalid JSON: {}", "a text that is no JSON";

    // Transactions.
    SERIALIZABLE, "XX000", 1023, Documented, "1023 Serializable isolation violation on table - {}, transactions forming the cycle are: {}", "writers that conflict";
    DEADLOCK, "40P01", 0, Known, "deadlock detected", "transactions that wait for each other";
    IN_FAILED_TRANSACTION, "25P02", 0, Known, "current transaction is aborted, commands ignored until end of transaction block", "statements after an error";
    READ_ONLY, "25006", 0, Known, "transaction is read-only", "a change in a READ ONLY transaction";
    CANCELLED, "57014", 0, Known, "Query cancelled on user's request", "a statement that was cancelled";

    // COPY and UNLOAD.
    COPY_OPTION, "0A000", 0, Measured, "{} argument is not supported for {} based COPY", "options of COPY that a format does not take";
    COPY_COLUMN_COUNT, "XX000", 15007, Measured, "Unmatched number of columns between table and file. Table columns: {}, Data columns: {}, File name: {}", "a file with other columns than the table";
    COPY_LENGTH, "XX000", 15007, Measured, "The length of the data column {} is longer than the length defined in the table. Table: {}, Data: {}, File name: {}", "a text of a file that is too long";
    COPY_INCOMPATIBLE, "XX000", 15007, Known, "Spectrum Scan Error: File '{}' has an incompatible Parquet schema for column '{}'. Column type: {}, Parquet schema: {}", "a column of a file with another type";
    COPY_TEXT, "XX000", 1220, Known, "String contains invalid or unsupported UTF8 codepoints. File name: {}", "bytes of a Parquet file that are no UTF-8, without ACCEPTINVCHARS";
    COPY_SUPER, "0A000", 0, Measured, "SUPER column in COPY query requires SERIALIZETOJSON option", "Parquet into SUPER without SERIALIZETOJSON";
    COPY_SUPER_LENGTH, "XX000", 1224, Measured, "String value exceeds the max size of 65535 bytes (Hint: set enable_large_strings_opt_in parameter.)", "a text in a SUPER column that is too long";
    COPY_NOT_NULL, "42601", 0, Measured, "NOT NULL column without DEFAULT must be included in column list", "a column list without a NOT NULL column";
    COPY_PATHS, "XX000", 8001, Reported, "Number of jsonpaths and the number of columns should match. JSONPath size: {}, Number of columns in table or column list: {}", "a file of paths with more or fewer paths than columns";
    COPY_SOURCE, "42601", 0, Documented, "COPY and UNLOAD take an address that begins with s3://: \"{}\"", "sources other than S3";
    COPY_CREDENTIALS, "42601", 0, Documented, "credentials or IAM_ROLE must be given", "COPY without IAM_ROLE";
    COPY_FILE_NOT_FOUND, "XX000", 15001, Measured, "Spectrum Scan Error: File not found {}", "a mandatory file of a manifest that is missing";
    COPY_MANIFEST, "XX000", 8001, Documented, "manifest {} is invalid: {}", "a manifest that cannot be read";
    COPY_BUCKET, "XX000", 8001, Known, "The specified bucket does not exist: {}", "a bucket that is not there";
    COPY_STORE, "XX000", 8001, Known, "S3 answered: {}", "S3 cannot be read or written";
    COPY_FILE, "XX000", 15001, Known, "file {} cannot be read: {}", "a file that is damaged or in another format";
    COPY_ERRORS, "XX000", 0, Documented, "Load into table '{}' failed. Check 'sys_load_error_detail' system table for details.", "rows that do not fit";
    UNLOAD_NOT_EMPTY, "XX000", 15002, Known, "Specified unload destination on S3 is not empty. Consider using a different bucket / prefix, manually removing the target files in S3, or using the ALLOWOVERWRITE option.", "UNLOAD over files that are there";
}
