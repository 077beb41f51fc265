"""Clients of Redshift as their users have them, unmodified, against the server that the environment names.

Each check is a function; all run, and the first line of what failed says where. `just test-redshift-peers` starts the
server.
"""

import datetime
import os
import shutil
import subprocess
import sys
import threading
import time
import traceback
from decimal import Decimal

import awswrangler as wr
import boto3
import pandas as pd
import psycopg
import redshift_connector

BUCKET = "redshift-peers"
ROLE = "arn:aws:iam::123456789012:role/any"
COLUMNS = {
    "i": "int", "b": "bigint", "s": "smallint", "f": "float8", "r": "real", "n": "numeric(12,3)", "t": "varchar(20)",
    "c": "char(3)", "d": "date", "ts": "timestamp", "tz": "timestamptz", "ok": "bool",
}
ROW = (
    1, 2**40, -3, 1.25, 2.5, Decimal("-12.345"), "hé 'x' \\", "ab ", datetime.date(1999, 12, 31),
    datetime.datetime(2024, 1, 2, 3, 4, 5, 678000),
    datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc), True,
)
NULLS = (2,) + (None,) * (len(ROW) - 1)


def create(table):
    columns = ", ".join(f"{name} {data_type}" for name, data_type in COLUMNS.items())
    return f"create table {table} ({columns})"


def insert(table):
    return f"insert into {table} values ({', '.join(['%s'] * len(ROW))})"


def connector():
    return redshift_connector.connect(
        host=os.environ["PGHOST"], port=int(os.environ["PGPORT"]), database="dev", user="bob",
        password=os.environ["PGPASSWORD"], ssl=False)


def postgres(**options):
    # Redshift calls its encoding UNICODE unless a client chooses one, and psycopg does not know that name.
    return psycopg.connect(client_encoding="utf8", **options)


def fails(call, *arguments):
    """The error that a call ends with."""
    try:
        call(*arguments)
    except (psycopg.Error, redshift_connector.Error) as error:
        return error
    raise AssertionError("no error")


def psycopg_types_both_ways():
    with postgres() as connection:
        cursor = connection.cursor()
        cursor.execute(create("types_psycopg"))
        cursor.execute(insert("types_psycopg"), ROW)
        assert cursor.rowcount == 1
        cursor.execute(insert("types_psycopg"), NULLS)
        for binary in (False, True):
            cursor = connection.cursor(binary=binary)
            cursor.execute("select * from types_psycopg where i <= %s order by i", (2,))
            assert cursor.fetchall() == [ROW, NULLS], binary
            conditions = " and ".join(f"{name} = %s" for name in COLUMNS)
            cursor.execute(f"select count(*) from types_psycopg where {conditions}", ROW)
            assert cursor.fetchone() == (1,)


def psycopg_prepares():
    with postgres(autocommit=True) as connection:
        connection.execute("create table prepared_psycopg (i int)")
        for number in range(8):
            connection.execute("insert into prepared_psycopg values (%s)", (number,), prepare=True)
        found = connection.execute("select sum(i) from prepared_psycopg where i > %s", (1,), prepare=True)
        assert found.fetchone() == (27,)


def psycopg_transactions():
    with postgres() as connection, postgres() as other:
        connection.execute("create table transactions_psycopg (i int)")
        connection.commit()
        connection.execute("insert into transactions_psycopg values (1)")
        assert other.execute("select count(*) from transactions_psycopg").fetchone() == (0,)
        other.rollback()
        connection.commit()
        assert other.execute("select count(*) from transactions_psycopg").fetchone() == (1,)
        assert fails(connection.execute, "select 1 / 0").sqlstate == "22012"
        assert fails(connection.execute, "select 1").sqlstate == "25P02"
        connection.rollback()
        with connection.pipeline():
            one = connection.execute("select 1")
            connection.execute("insert into transactions_psycopg values (2)")
            assert one.fetchone() == (1,)
        connection.commit()
        cursor = connection.cursor()
        cursor.executemany("insert into transactions_psycopg values (%s)", [(3,), (4,)])
        assert cursor.rowcount == 2


def psycopg_cancels():
    with postgres() as holder, postgres() as waiter:
        holder.execute("create table cancelled (i int)")
        holder.commit()
        holder.execute("lock cancelled")
        threading.Timer(0.3, waiter.cancel).start()
        begun = time.monotonic()
        assert fails(waiter.execute, "delete from cancelled").sqlstate == "57014"
        assert time.monotonic() - begun < 10


def who_connects_is_checked():
    assert "password authentication failed" in str(fails(lambda: postgres(password="wrong")))
    error = fails(lambda: redshift_connector.connect(
        host=os.environ["PGHOST"], port=int(os.environ["PGPORT"]), database="dev", user="bob", password="wrong",
        ssl=False))
    assert "28P01" in str(error), error


def connector_types_both_ways():
    with connector() as connection:
        cursor = connection.cursor()
        cursor.execute(create("types_connector"))
        cursor.execute(insert("types_connector"), ROW)
        cursor.execute(insert("types_connector"), NULLS)
        cursor.execute("select * from types_connector where i <= %s order by i", (2,))
        assert [tuple(row) for row in cursor.fetchall()] == [ROW, NULLS]
        oids = [column[1] for column in cursor.description]
        assert oids == [23, 20, 21, 701, 700, 1700, 1043, 1042, 1082, 1114, 1184, 16], oids
        conditions = " and ".join(f"{name} = %s" for name in COLUMNS)
        cursor.execute(f"select count(*) from types_connector where {conditions}", ROW)
        assert cursor.fetchone() == [1]
        cursor.execute("select json_parse('{\"a\": [1]}') as s")
        assert cursor.fetchone() == ['{"a":[1]}'] and cursor.description[0][1] == 4000
        frame = cursor.execute("select i, t from types_connector order by i").fetch_dataframe()
        assert list(frame.columns) == ["i", "t"] and len(frame) == 2


def connector_transactions():
    with connector() as connection, connector() as other:
        cursor = connection.cursor()
        cursor.execute("create table transactions_connector (i int)")
        connection.commit()
        cursor.executemany("insert into transactions_connector values (%s)", [(1,), (2,)])
        other_cursor = other.cursor()
        other_cursor.execute("select count(*) from transactions_connector")
        assert other_cursor.fetchone() == [0]
        other.rollback()
        connection.commit()
        assert "22012" in str(fails(cursor.execute, "select 1 / 0"))
        assert "25P02" in str(fails(cursor.execute, "select 1"))
        connection.rollback()
        for _ in range(3):
            cursor.execute("select count(*) from transactions_connector where i > %s", (0,))
            assert cursor.fetchone() == [2]
        connection.commit()
        connection.autocommit = True
        cursor.execute("vacuum")


def connector_catalog():
    with connector() as connection:
        cursor = connection.cursor()
        cursor.execute("create table catalog_connector (id int not null, name varchar(7), primary key (id))")
        connection.commit()
        tables = cursor.get_tables(schema_pattern="public", table_name_pattern="catalog_connector")
        assert [row[2:4] for row in tables] == [["catalog_connector", "TABLE"]], tables
        columns = cursor.get_columns(schema_pattern="public", tablename_pattern="catalog_connector")
        assert [row[3] for row in columns] == ["id", "name"], columns
        assert ["public", "dev"] in [row[:2] for row in cursor.get_schemas()]
        keys = cursor.get_primary_keys(schema="public", table="catalog_connector")
        assert [row[3] for row in keys] == ["id"], keys


def data_api():
    client = boto3.client("redshift-data")
    target = {"WorkgroupName": "local", "Database": "dev"}

    def run(**statement):
        call = client.batch_execute_statement if "Sqls" in statement else client.execute_statement
        submitted = call(**target, **statement)["Id"]
        while True:
            described = client.describe_statement(Id=submitted)
            if described["Status"] in ("FINISHED", "FAILED", "ABORTED"):
                return described
            time.sleep(0.02)

    created = run(Sqls=["create table api (i int, t varchar(9))", "insert into api values (1, 'x')"])
    assert created["Status"] == "FINISHED", created
    found = run(Sql="select * from api where i = :i", Parameters=[{"name": "i", "value": "1"}])
    result = client.get_statement_result(Id=found["Id"])
    assert result["Records"] == [[{"longValue": 1}, {"stringValue": "x"}]], result
    failed = run(Sqls=["insert into api values (2, 'y')", "insert into nope values (1)"])
    assert failed["Status"] == "FAILED" and 'relation "nope" does not exist' in failed["Error"], failed
    assert client.get_statement_result(Id=run(Sql="select count(*) from api")["Id"])["Records"] == [[{"longValue": 1}]]
    history = run(Sql="select status from sys_query_history where query_text like 'insert into nope%'")
    assert client.get_statement_result(Id=history["Id"])["Records"] == [[{"stringValue": "failed"}]]


def frame(name="a"):
    return pd.DataFrame({
        "id": [1, 2, 3], "name": [name, "bé", None], "v": [1.5, 2.5, None], "d": [datetime.date(2024, 1, 1)] * 3,
        "ts": pd.to_datetime(["2024-01-01 01:02:03"] * 3), "ok": [True, False, True], "n": [Decimal("1.25")] * 3,
    })


def count(connection, table):
    return int(wr.redshift.read_sql_query(f"select count(*) as n from public.{table}", connection).n[0])


def awswrangler_copies():
    with connector() as connection:
        def copy(mode, table="wr_copy", name="a", **options):
            wr.redshift.copy(frame(name), f"s3://{BUCKET}/stage/", connection, table, "public", iam_role=ROLE,
                             mode=mode, **options)

        copy("overwrite")
        copy("overwrite")
        assert count(connection, "wr_copy") == 3
        copy("append")
        assert count(connection, "wr_copy") == 6
        copy("overwrite", "wr_upsert", primary_keys=["id"])
        copy("upsert", "wr_upsert", "z", primary_keys=["id"])
        copy("upsert", "wr_upsert", "y")
        names = wr.redshift.read_sql_query("select name from public.wr_upsert order by id", connection).name
        assert list(names)[:2] == ["y", "bé"], names


def awswrangler_unloads():
    with connector() as connection:
        wr.redshift.to_sql(frame(), connection, "wr_unload", "public", mode="overwrite")
        found = wr.redshift.unload("select * from public.wr_unload", f"s3://{BUCKET}/unload/", connection, iam_role=ROLE)
        assert len(found) == 3 and set(found.name.dropna()) == {"a", "bé"}, found
        wr.redshift.unload_to_files("select id from public.wr_unload where name = 'a'", f"s3://{BUCKET}/csv/",
                                    connection, iam_role=ROLE, unload_format="CSV")
        assert len(wr.s3.list_objects(f"s3://{BUCKET}/csv/")) == 1


def awswrangler_sql():
    with connector() as connection:
        wr.redshift.to_sql(frame(), connection, "wr_sql", "public", mode="overwrite", use_column_names=True)
        wr.redshift.to_sql(frame(), connection, "wr_sql", "public", mode="append")
        chunks = list(wr.redshift.read_sql_query("select * from public.wr_sql", connection, chunksize=4))
        assert [len(chunk) for chunk in chunks] == [4, 2]
        assert len(wr.redshift.read_sql_table("wr_sql", connection, schema="public")) == 6
        api = wr.data_api.redshift.connect(workgroup_name="local", database="dev", secret_arn="arn:aws:any")
        found = wr.data_api.redshift.read_sql_query("select id, name, v, ok from public.wr_sql order by id", con=api)
        assert len(found) == 6 and list(found.columns) == ["id", "name", "v", "ok"], found


def psql():
    assert shutil.which("psql"), "psql is not here: `./dev ensure psql` installs it"
    with postgres(autocommit=True) as connection:
        connection.execute("create table shown_in_psql (id int not null, name varchar(7))")
        connection.execute("insert into shown_in_psql values (1, null)")
        connection.execute("create view view_in_psql as select id from shown_in_psql")

    def run(*commands):
        arguments = [part for command in commands for part in ("-c", command)]
        done = subprocess.run(["psql", "-X", "-v", "ON_ERROR_STOP=1", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert " public | shown_in_psql" in run("\\dt")
    assert "view_in_psql" in run("\\d") and "view_in_psql" in run("\\dv") and "public" in run("\\dn")
    assert run("select * from shown_in_psql") == " id | name \n----+------\n  1 | \n(1 row)\n\n"
    assert run("begin", "insert into shown_in_psql values (2, 'x')", "rollback", "select count(*) from shown_in_psql") \
        .endswith("     1\n(1 row)\n\n")


CHECKS = [
    psycopg_types_both_ways, psycopg_prepares, psycopg_transactions, psycopg_cancels, who_connects_is_checked,
    connector_types_both_ways, connector_transactions, connector_catalog, data_api, awswrangler_copies,
    awswrangler_unloads, awswrangler_sql, psql,
]


def main():
    boto3.client("s3").create_bucket(Bucket=BUCKET)
    chosen = sys.argv[1:]
    failures = 0
    for check in CHECKS:
        if chosen and check.__name__ not in chosen:
            continue
        try:
            check()
            print(f"ok      {check.__name__}")
        except Exception:
            failures += 1
            print(f"FAILED  {check.__name__}")
            traceback.print_exc()
    return failures


if __name__ == "__main__":
    sys.exit(main())
