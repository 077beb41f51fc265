# Recipes of the project. `./dev RECIPE` prepares the machine first; `just RECIPE` takes it as it is.
# A recipe does one thing, and CI runs the same ones: .ci/run.

set shell := ["bash", "-euo", "pipefail", "-c"]

# CI builds what is in the lock file; at work a new dependency may change it.
locked := if env("CI", "") == "" { "" } else { "--locked" }
target_dir := absolute_path(env("CARGO_TARGET_DIR", "target"))
cache := env("TRANSOM_CACHE_DIR", env("XDG_CACHE_HOME", env("HOME", "") / ".cache") / "transom")
# Environments for Python, one for each list of packages.
judge := cache / "judge-" + sha256_file("tests/values/requirements.txt")
dbt := cache / "dbt-" + sha256_file("host/local/tests/peers/dbt-requirements.txt")
redshift_peers := cache / "redshift-" + sha256_file("host/local/tests/peers/redshift-requirements.txt")
lambda_peers := cache / "lambda-" + sha256_file("lambda/tests/peers/requirements.txt")
zig := cache / "zig-" + sha256_file("lambda/requirements.txt")
duckdb := cache / "duckdb-" + sha256_file("tests/benches/requirements.txt")

# Crates outside the workspace: plugins, each with a lock file of its own.
example_plugins := "examples/*/plugins/*/Cargo.toml plugins/examples/*/Cargo.toml"
guests := example_plugins + " plugins/hostile/rust/Cargo.toml tests/guests/*/Cargo.toml tests/conformance/guests/*/Cargo.toml plugins/sdk/python/native/Cargo.toml host/commit/model/Cargo.toml"
go_modules := "plugins/sdk/go/go.mod plugins/sdk/go/*/go.mod examples/*/plugins/*/go.mod tests/guests/*/go.mod tests/conformance/guests/*/go.mod"
# The program beside the benchmarks: alone, they would compile the same dependencies with other features once more.
bench_packages := "--package transom-tests --package transom-cli"
python_tests := "plugins/sdk/python/tests examples/*/plugins/*/tests tests/conformance/guests/*/tests"

# List the recipes
[private]
default:
    @just --list --unsorted

# Run the examples: plugins in WebAssembly and SQL over flights of 2013, in folders and on the local S3; then loads into the local Redshift
demo: program python-runner
    cd examples/flights && "{{ target_dir }}/debug/transom" run
    cd examples/flights && "{{ target_dir }}/debug/transom" local cp data s3://raw/flights/
    cd examples/flights && "{{ target_dir }}/debug/transom" run --target local --head 0
    TRANSOM="{{ target_dir }}/debug/transom" examples/warehouse/receive
    cd examples/warehouse && "{{ target_dir }}/debug/transom" run --head 0
    cd examples/warehouse && "{{ target_dir }}/debug/transom" run
    cd examples/warehouse && echo 'SELECT carrier, sum(flights) AS flights, sum(cancelled) AS cancelled FROM analytics.daily GROUP BY 1 ORDER BY 2 DESC LIMIT 5' | "{{ target_dir }}/debug/transom" local sql

# Build the `transom` program and all else that `demo` and `test` run, for development
program:
    # `--examples` makes cargo select the features that the tests select: `cargo test --workspace` then compiles no dependency again.
    cargo build {{ locked }} --workspace --bins --examples

# Build the component that runs plugins in Python, where programs of this target folder find it
python-runner:
    plugins/sdk/python/runner/build "{{ target_dir }}/lib/transom/python-runner.wasm"

# Build the `transom` program, optimised
build:
    cargo build {{ locked }} --release --package transom-cli

# The machine of the Lambda function, which is like this one, and the C library of its runtime provided.al2023
lambda_glibc := "2.34"
lambda_machine := arch() + "-unknown-linux-gnu"
lambda_programs := target_dir / lambda_machine / "deploy"

# Build `bootstrap`, the program of the Lambda function: without the compiler of plugins, small, for glibc 2.34. Takes half an hour of a core
bootstrap: (deploy "--bin" "bootstrap") && (check-glibc lambda_programs / "bootstrap")

[private]
deploy +what: (environment zig "lambda/requirements.txt")
    # Alone, so that no other crate brings features along. zig links for an older C library than this machine has.
    PATH="{{ zig }}/bin:$PATH" cargo zigbuild {{ locked }} --profile deploy --package transom-lambda {{ what }} --target "{{ lambda_machine }}.{{ lambda_glibc }}"

[private]
check-glibc program:
    #!/usr/bin/env bash
    set -euo pipefail
    newest=$(objdump -T "{{ program }}" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1)
    printf '%s: %s bytes, needs %s\n' "{{ program }}" "$(stat -c %s "{{ program }}")" "$newest" >&2
    [ "$(printf 'GLIBC_{{ lambda_glibc }}\n%s\n' "$newest" | sort -V | tail -1)" = "GLIBC_{{ lambda_glibc }}" ] || { echo "Lambda has glibc {{ lambda_glibc }}" >&2; exit 1; }

# Check that the function's program asks for nothing which came with a newer C library than Lambda's, in the development build
check-lambda-symbols: program
    #!/usr/bin/env bash
    set -euo pipefail
    # It is linked to the library that is here. Where that has a newer version of a name, an older library has the one before.
    program="{{ target_dir }}/debug/bootstrap"
    listed() { objdump -T "$@" | sed -nE 's/.* \(?GLIBC_([0-9.]+)\)? +([^ ]+)$/\1 \2/p'; }
    libraries=$(ldd "$program" | awk '$3 ~ /^\// { print $3 }')
    lacking=$(awk -v most="{{ lambda_glibc }}" '
        function is_newer(version) { split(version, a, "."); split(most, b, "."); return a[1] > b[1] || (a[1] == b[1] && a[2] > b[2]) }
        FNR == NR { if (!is_newer($1)) known[$2]; next }
        is_newer($1) && !($2 in known) { print $2 " came with glibc " $1 }' <(listed $libraries) <(listed "$program"))
    [ -z "$lacking" ] || { printf '%s\n' "$lacking" "Lambda has glibc {{ lambda_glibc }}" >&2; exit 1; }

# Measure the function's start under the Runtime API, next to a function that does nothing and to Python with pyarrow and pandas; then how
# much of the time of chained invocations is work
bench-lambda: bootstrap (deploy "--features" "bench" "--bin" "hello") build python-runner s3-peers
    lambda/bench/start --transom "{{ target_dir }}/release/transom" --bootstrap "{{ lambda_programs }}/bootstrap" --hello "{{ lambda_programs }}/hello" --python "{{ s3_peers }}/bin/python"
    lambda/bench/chain --transom "{{ target_dir }}/release/transom" --bootstrap "{{ lambda_programs }}/bootstrap"

# Build a wheel of the optimised program, the SDK for Python, its runner and the program of the Lambda function: `pip install` takes it
wheel: build python-runner bootstrap (wheel-of "release" lambda_programs / "bootstrap")

# Install a wheel of the development build into an empty environment, and begin a pipeline with it
test-wheel: program python-runner (wheel-of "debug" target_dir / "debug/bootstrap")
    host/cli/wheel/test "{{ target_dir }}"/wheels/debug/transom-*.whl

# The same with the wheel that users get, where the first load of the runner counts too. Takes half an hour of a core, for the function
test-wheel-release: wheel
    host/cli/wheel/test --cold "{{ target_dir }}"/wheels/release/transom-*.whl

[private]
wheel-of profile bootstrap:
    rm -rf "{{ target_dir }}/wheels/{{ profile }}"
    host/cli/wheel/build "{{ target_dir }}/{{ profile }}/transom" "{{ target_dir }}/lib/transom/python-runner.wasm" "{{ target_dir }}/wheels/{{ profile }}" "{{ bootstrap }}"

# Run all tests but the slow ones: the workspace, the model of the commit protocol, then the plugins' own unit tests on this machine's target
test: test-host test-model test-plugins

# Test the workspace
test-host: python-runner
    cargo test {{ locked }} --workspace --no-fail-fast

# Test SDKs and example plugins natively, as their authors do
test-plugins: (each-crate example_plugins "test" locked) test-go test-python test-python-native

# Test everything in Go
test-go: (each-go-module "vet" "-tags=arrow_json_stdlib" "./...") (each-go-module "test" "-tags=arrow_json_stdlib" "./...")

# Test everything in Python
test-python:
    #!/usr/bin/env bash
    set -euo pipefail
    for tests in {{ python_tests }}; do
        echo "$tests: python3 -m unittest" >&2
        PYTHONPATH=plugins/sdk/python PYTHONDONTWRITEBYTECODE=1 python3 -W error -m unittest discover --quiet --start-directory "$tests"
    done

# Test the SDK for Python with its loops in native code, in each Python from 3.11 to 3.13 that is here
test-python-native:
    cargo test {{ locked }} --manifest-path plugins/sdk/python/native/Cargo.toml
    CARGO_TARGET_DIR="{{ target_dir }}" plugins/sdk/python/native/test

# Test the commit protocol without its model; `just test-commit whatever` for a part
test-commit *filter:
    cargo test {{ locked }} --package transom-commit -- {{ filter }}

# Search the model of the commit protocol: a minute or two of one core
test-model *filter:
    CARGO_TARGET_DIR="{{ target_dir }}" cargo test {{ locked }} --manifest-path host/commit/model/Cargo.toml -- {{ filter }}

# The same with figures, and traces of what goes wrong without each rule; `just model f4` for a part
model filter="": (test-model "--nocapture" "--test-threads=1" "runs::" + filter)

# Try the commit protocol's runner with kills, frozen processes and faults at random, a thousand times
chaos-commit rounds="1000":
    TRANSOM_MANY={{ rounds }} cargo test {{ locked }} --package transom-commit --test commit -- chaos::

# Run slices with files, kills, frozen processes, rivals, rewinds, backfills, collections and late requests in any order, a thousand times; `just chaos 50 7000` begins with seed 7000
chaos rounds="1000" seed="0":
    TRANSOM_MANY={{ rounds }} TRANSOM_SEED={{ seed }} cargo test {{ locked }} --workspace --test slices -- --ignored chaos::

# Run the tests that are marked as slow
test-slow: python-runner && test-wheel
    cargo test {{ locked }} --workspace --tests -- --ignored --skip long::
    CARGO_TARGET_DIR="{{ target_dir }}" cargo test {{ locked }} --manifest-path host/commit/model/Cargo.toml -- --ignored

# Confirm with DuckDB what tests/values expects: without the network, `just test-host` runs the same cases on what is recorded
test-values-judge: (environment judge "tests/values/requirements.txt")
    TRANSOM_JUDGE="{{ judge }}/bin/python" cargo test {{ locked }} --workspace --test values

# Install packages into an environment of their own, once
[private]
environment folder requirements:
    #!/usr/bin/env bash
    set -euo pipefail
    if [ ! -f "{{ folder }}/complete" ]; then
        python3 -m venv --clear "{{ folder }}"
        "{{ folder }}/bin/pip" install --quiet --requirement "{{ requirements }}"
        touch "{{ folder }}/complete"
    fi

# Try the local Redshift with psycopg, redshift_connector, boto3, awswrangler, psql and dbt
test-redshift-peers: program (environment redshift_peers "host/local/tests/peers/redshift-requirements.txt") (environment dbt "host/local/tests/peers/dbt-requirements.txt")
    ./dev ensure psql
    host/local/tests/peers/with-transom "{{ target_dir }}/debug/transom" "{{ redshift_peers }}/bin/python" host/local/tests/peers/redshift.py
    host/local/tests/peers/with-transom "{{ target_dir }}/debug/transom" host/local/tests/peers/with-dbt "{{ dbt }}/bin/dbt"

# Try the packaged function with boto3 and cargo-lambda, its state machines with moto's Step Functions, and its template with cfn-lint
test-lambda-peers bootstrap="": program python-runner (environment lambda_peers "lambda/tests/peers/requirements.txt")
    # Without zig, with which it would compile. With a program that `just bootstrap` has built, the package is as it is deployed.
    [ -x "{{ lambda_peers }}/bin/cargo-lambda" ] || "{{ lambda_peers }}/bin/pip" install --quiet --no-deps cargo-lambda==1.9.2
    "{{ lambda_peers }}/bin/python" lambda/tests/peers/peers.py "{{ target_dir }}/debug/transom" {{ bootstrap }}

# Kill, stop and race loads in every mode, with two tables, at both isolation levels: takes an hour of two cores
test-loads-long:
    cargo test {{ locked }} --workspace --test slices --test warehouse -- --ignored long::

# Kill the local Redshift 500 times while sessions write, and look for an order of the random transactions of 100 engines
test-redshift-long:
    TRANSOM_MANY=500 cargo test {{ locked }} --workspace --test local -- --ignored redshift_kills::
    TRANSOM_MANY=50 cargo test {{ locked }} --workspace --test redshift -- history::

# An environment with the servers and clients that the local S3 is compared with, made once for each list of packages
s3_peers := env("TRANSOM_CACHE_DIR", env("XDG_CACHE_HOME", home_directory() / ".cache") / "transom") / "s3-peers"

[private]
s3-peers:
    #!/usr/bin/env bash
    set -euo pipefail
    requirements=host/local/tests/peers/requirements.txt
    if ! cmp --silent "$requirements" "{{ s3_peers }}/complete"; then
        python3 -m venv --clear "{{ s3_peers }}"
        "{{ s3_peers }}/bin/pip" install --quiet --requirement "$requirements"
        cp "$requirements" "{{ s3_peers }}/complete"
    fi

# Try the local S3 with boto3, awswrangler, pyarrow, Polars and DuckDB, and run its suite of S3's behaviours against SeaweedFS
test-s3-peers: program s3-peers
    host/local/tests/peers/with-transom "{{ target_dir }}/debug/transom" "{{ s3_peers }}/bin/python" host/local/tests/peers/clients.py
    host/local/tests/peers/with-transom "{{ target_dir }}/debug/transom" "{{ s3_peers }}/bin/python" host/local/tests/peers/readers.py "{{ target_dir }}/debug/transom"
    host/local/tests/peers/with-seaweedfs "{{ s3_peers }}/bin/weed" cargo test {{ locked }} --workspace --test local -- s3:: races::
    host/local/tests/peers/with-seaweedfs "{{ s3_peers }}/bin/weed" cargo test {{ locked }} --workspace --test places -- places::

# Kill the local S3 a thousand times, and let 32 writers race for a key as often; takes an hour
test-s3-long:
    TRANSOM_MANY=1000 cargo test {{ locked }} --workspace --test local -- --ignored many

# Print how long puts, gets and listings take here and in SeaweedFS
bench-s3: s3-peers
    TRANSOM_FIGURES=100000 cargo test {{ locked }} --workspace --test local -- --ignored --nocapture speed::
    TRANSOM_FIGURES=100000 host/local/tests/peers/with-seaweedfs "{{ s3_peers }}/bin/weed" cargo test {{ locked }} --workspace --test local -- --ignored --nocapture speed::

# Feed the readers of files, statements and what guests hand over with made-up input, two targets at a time, each for some seconds: `just fuzz 3600 csv`
fuzz seconds="60" *targets="batch description stamp csv json parquet statement":
    #!/usr/bin/env bash
    set -euo pipefail
    export RUSTC_WORKSPACE_WRAPPER="$PWD/fuzz/instrument"
    ./dev ensure c++
    # As tests are built, with all of the workspace: DataFusion then has the same features and is not compiled again.
    cargo build {{ locked }} --workspace --features transom-fuzz/libfuzzer --examples {{ prepend("--bin fuzz-", targets) }}
    export TARGET_DIR="{{ target_dir }}" SECONDS_EACH={{ seconds }}
    # What is found goes to a folder of its own; the corpus that is kept is only read.
    printf '%s\n' {{ targets }} | xargs --max-procs=2 --max-args=1 bash -euo pipefail -c '
        mkdir -p "$TARGET_DIR/fuzz-found/$1"
        echo "$1: $SECONDS_EACH s" >&2
        "$TARGET_DIR/debug/fuzz-$1" -max_total_time="$SECONDS_EACH" -max_len=4096 -timeout=30 -rss_limit_mb=2048 \
            -print_final_stats=1 -verbosity=0 -artifact_prefix=fuzz/ "$TARGET_DIR/fuzz-found/$1" "fuzz/corpus/$1"' fuzz

# Put made-up columns through both codecs of the SDK for Python: natively under AddressSanitizer, then in the component
fuzz-python seconds="60": program python-runner
    CARGO_TARGET_DIR="{{ target_dir }}" plugins/sdk/python/native/test --sanitize {{ seconds }}
    plugins/sdk/python/native/fuzz/in-component "{{ target_dir }}/debug/transom" {{ seconds }}

# Keep of what was found the inputs that reach code no other of the corpus does
fuzz-merge target:
    "{{ target_dir }}/debug/fuzz-{{ target }}" -set_cover_merge=1 -use_counters=0 -max_len=1024 "fuzz/corpus/{{ target }}" "{{ target_dir }}/fuzz-found/{{ target }}"

# Check everything that is checked without running it
lint: lint-format lint-host lint-plugins lint-dependencies lint-docs

# Check the formatting
lint-format: (each-crate guests "fmt" "--check") lint-format-go
    cargo fmt --all --check

# Check the formatting of Go
lint-format-go:
    unformatted=$(git ls-files '*.go' | xargs gofmt -l) && [ -z "$unformatted" ] || { echo "gofmt would change: $unformatted" >&2; exit 1; }

# Check the workspace with clippy
lint-host:
    cargo clippy {{ locked }} --workspace --all-targets -- --deny warnings

# Check the plugins with clippy
lint-plugins: (each-crate guests "clippy" locked "--all-targets" "--" "--deny" "warnings")

# Crates that the function's program is small without: the compiler of plugins, what builds them, the local AWS, sign-ins of people
not_in_lambda := "cranelift-codegen|transom-(build|cli|local|redshift)|aws-sdk-sso(oidc)?"

# Check licences, banned crates and where dependencies come from (deny.toml); and what the function of Lambda is without
lint-dependencies:
    ./dev ensure cargo-deny
    cargo deny {{ locked }} check bans licenses sources
    tree=$(cargo tree {{ locked }} --package transom-lambda --edges normal --prefix none) && ! grep -E '^({{ not_in_lambda }}) ' <<< "$tree"

# Check that the documentation builds and its links lead somewhere
lint-docs:
    RUSTDOCFLAGS="-D warnings" cargo doc {{ locked }} --workspace --no-deps

# Check the dependencies against the database of known vulnerabilities (needs the network)
audit:
    ./dev ensure cargo-deny
    cargo deny check advisories

# Format, and apply what clippy can correct
fix: (each-crate guests "fmt")
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Rewrite golden files and snapshots with what the program does now; look at the diff before committing it
bless:
    TRANSOM_BLESS=1 INSTA_UPDATE=always cargo test --workspace --tests

# Compare plugins with native code, the border with copying, two cores with one; words select groups (tests/benches/ratios/main.rs)
bench *groups:
    cargo bench {{ locked }} {{ bench_packages }} --bench ratios -- {{ groups }}

# Compare plugins in Rust, Go and Python with each other; Python with native CPython, and its codec in native code with that in Python
bench-languages: python-runner (bench "languages" "codecs") bench-label

# Label two million rows in Python: on one partition, on two, and in DuckDB's native Python UDF
bench-label: build python-runner (environment duckdb "tests/benches/requirements.txt")
    "{{ duckdb }}/bin/python" tests/benches/label.py "{{ target_dir }}/release/transom"

# Load from S3 and into S3 beside plain DataFusion, and see what slices and their log cost; words select groups (tests/benches/load.py)
bench-load *groups: build (environment duckdb "tests/benches/requirements.txt")
    "{{ duckdb }}/bin/python" tests/benches/load.py "{{ target_dir }}/release/transom" {{ groups }}

# Put the local Redshift beside DuckDB, PostgreSQL and plain DataFusion; words select groups (tests/benches/redshift.py)
bench-redshift *groups: build (environment duckdb "tests/benches/requirements.txt")
    "{{ duckdb }}/bin/python" tests/benches/redshift.py "{{ target_dir }}/release/transom" {{ groups }}

# Measure whole processes: their start, the memory of long runs and of many batches, DuckDB on the same files; words select groups (tests/benches/process/main.rs)
bench-process *groups: build python-runner (environment duckdb "tests/benches/requirements.txt")
    TRANSOM_BIN="{{ target_dir }}/release/transom" TRANSOM_JUDGE="{{ duckdb }}/bin/python" cargo bench {{ locked }} {{ bench_packages }} --bench process -- {{ groups }}

# Run recipes in a fresh clone with empty caches, and print the minutes of each and of its processors: `just bench-cold demo test`
bench-cold *recipes="demo":
    tests/benches/cold {{ recipes }}

# Count the instructions of plugin calls, per row, per call and once (needs valgrind); words select subjects
bench-instructions *subjects:
    cargo bench {{ locked }} {{ bench_packages }} --bench instructions -- {{ subjects }}

# Run one go command in each module
[private]
each-go-module command *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    for manifest in {{ go_modules }}; do
        echo "$manifest: go {{ command }}" >&2
        (cd "$(dirname "$manifest")" && GOFLAGS=-mod=readonly go {{ command }} {{ arguments }})
    done

# Run one cargo command in each crate that the patterns find
[private]
each-crate patterns command *arguments:
    #!/usr/bin/env bash
    set -euo pipefail
    shopt -s nullglob
    for manifest in {{ patterns }}; do
        echo "$manifest: cargo {{ command }}" >&2
        cargo {{ command }} --manifest-path "$manifest" {{ arguments }}
    done
