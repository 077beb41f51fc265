//! Tables of the system that Redshift has, and this program does not yet.

/// Beginnings of names that only they have.
const STARTS: &[&str] = &["stl_", "stv_", "svcs_", "svl_", "svv_", "sys_"];

/// PostgreSQL's catalog, of the version that Redshift comes from, and what Redshift adds to it.
#[rustfmt::skip]
const CATALOG: &[&str] = &[
    "pg_aggregate", "pg_am", "pg_amop", "pg_amproc", "pg_attribute_info", "pg_cast", "pg_class_info", "pg_conversion",
    "pg_database_info", "pg_default_acl", "pg_external_schema", "pg_group", "pg_language", "pg_largeobject", "pg_library",
    "pg_locks", "pg_opclass", "pg_operator", "pg_proc_info", "pg_rules", "pg_settings", "pg_shadow", "pg_stat_activity",
    "pg_stat_all_tables", "pg_stat_database", "pg_stat_user_tables", "pg_statistic", "pg_statistic_indicator", "pg_stats",
    "pg_tablespace", "pg_user_info",
];

#[rustfmt::skip]
const INFORMATION_SCHEMA: &[&str] = &[
    "applicable_roles", "check_constraints", "column_domain_usage", "column_privileges", "column_udt_usage",
    "constraint_column_usage", "constraint_table_usage", "data_type_privileges", "domain_constraints", "domain_udt_usage",
    "domains", "element_types", "enabled_roles", "information_schema_catalog_name", "key_column_usage", "parameters",
    "referential_constraints", "role_column_grants", "role_routine_grants", "role_table_grants", "role_usage_grants",
    "routine_privileges", "routines", "sql_features", "sql_implementation_info", "sql_languages", "sql_packages",
    "sql_sizing", "sql_sizing_profiles", "table_privileges", "triggered_update_columns", "triggers", "usage_privileges",
    "view_column_usage", "view_table_usage",
];

/// Whether Redshift has such a table; without a schema it is one of its catalog.
pub(crate) fn is_to_come(schema: Option<&str>, name: &str) -> bool {
    match schema {
        None | Some("pg_catalog") => {
            CATALOG.contains(&name) || STARTS.iter().any(|start| name.starts_with(start))
        }
        Some("information_schema") => INFORMATION_SCHEMA.contains(&name),
        Some(_) => false,
    }
}
