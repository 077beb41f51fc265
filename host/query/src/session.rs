//! One run: its plugins, its steps, its memory and its threads.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::SystemTime;

use arrow::datatypes::{Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::common::{Result, TableReference, internal_err, plan_datafusion_err, plan_err};
use datafusion::datasource::provider_as_source;
use datafusion::error::DataFusionError;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{
    FairSpillPool, MemoryPool, TrackConsumersPool, UnboundedMemoryPool,
};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::{FunctionRegistry, SessionState, SessionStateBuilder};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, LogicalPlanBuilder, TableType};
use datafusion::physical_plan::{ExecutionPlan, ExecutionPlanProperties};
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use futures::TryStreamExt;
use parking_lot::Mutex;
use transom_file::ErrorPolicy;
use transom_plugin::{Cancel, Description, LogicalTime, Plugin, Timing};

use crate::arguments::{Mistakes, WrongArguments};
use crate::arrange;
use crate::error::CallError;
use crate::execution::Execution;
use crate::function::PluginFunction;
use crate::params::{Params, bind};
use crate::pool::{Failures, InstancePool};
use crate::random;
use crate::runtime::{PlanRuntime, PlanThreads};
use crate::scratch::Scratch;
use crate::spool;
use crate::statement;
use crate::transform::offer::{self, Unopened};
use crate::transform::{
    OrderBy, StateStore, TransformNode, TransformQueryPlanner, TransformSpec, TransformStep,
    transform_of,
};

/// How a run uses the machine.
#[derive(Debug, Clone)]
pub struct SessionOptions {
    /// Partitions of a plan and threads that run them. Default: the machine's cores.
    pub partitions: usize,
    /// Memory for operators and plugins in bytes; sorts and aggregates spill to disk beyond it. Default: no limit.
    pub memory: Option<usize>,
    /// Rows of a batch. Default 8,192; with little memory 2,048, as every operator and every open spill file holds some batches.
    pub batch_rows: Option<usize>,
    /// What plugins and SQL's `now()` take for the time, and plugins for randomness. Default: now, and the seed 0.
    pub time: LogicalTime,
    /// SQL's `random()` and `uuid()` start from the seed of `time`, which gives the same numbers again with one partition.
    /// Default: they start anywhere, as a run must not repeat the keys of another.
    pub seeded: bool,
    /// Transforms that a language runner runs get the first rows in small batches and move to a new instance after each, as
    /// long runs have it after many rows. Default: they move when their instance has grown.
    pub move_instances: bool,
    /// Folder for spills and spools; `None` is the system's.
    pub temporary: Option<PathBuf>,
    /// Counts the threads of plans, for those who have to wait until they have ended.
    pub threads: PlanThreads,
}

impl Default for SessionOptions {
    fn default() -> Self {
        let partitions = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            partitions,
            memory: None,
            batch_rows: None,
            time: LogicalTime {
                now: SystemTime::now(),
                seed: 0,
            },
            seeded: false,
            move_instances: false,
            temporary: None,
            threads: PlanThreads::default(),
        }
    }
}

impl SessionOptions {
    /// The memory for operators and plugins of a process that may take so many bytes: three quarters, and at least 64 MiB are left to the
    /// rest of it.
    #[must_use]
    pub fn memory_within(whole: usize) -> usize {
        whole - (whole / 4).max(LEAST_REST).min(whole / 2)
    }
}

/// What a process needs beside queries and plugins: the program, plugins' code, requests on their way.
const LEAST_REST: usize = 64 << 20;

/// Less memory than this for a run is little.
const LITTLE_MEMORY: usize = 1 << 30;

/// Spilled runs that a sort merges at once when memory is limited. Without a bound the first sort that merges takes all memory
/// there is, and the next one, which waits for the first one's rows, finds none.
const SPILL_FAN_IN: usize = 8;

/// One run of a pipeline over DataFusion.
pub struct Session {
    context: SessionContext,
    runtime: PlanRuntime,
    memory: Arc<dyn MemoryPool>,
    cancel: Cancel,
    time: LogicalTime,
    plugins: BTreeMap<String, Arc<InstancePool>>,
    /// Plugins that cannot be called.
    described: BTreeMap<String, Description>,
    steps: BTreeMap<String, Step>,
    limited: bool,
    move_instances: bool,
    scratch: Scratch,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("plugins", &self.plugins.keys())
            .finish_non_exhaustive()
    }
}

impl Session {
    /// A session without plugins and tables. `cancel` stops its plugins.
    pub fn new(options: &SessionOptions, cancel: Cancel) -> Result<Self> {
        let SessionOptions {
            partitions,
            memory,
            batch_rows,
            time,
            seeded,
            move_instances,
            temporary,
            threads,
        } = options;
        let limited = *memory;
        let rows = batch_rows.unwrap_or(match limited {
            Some(bytes) if bytes < LITTLE_MEMORY => 2048,
            _ => 8192,
        });
        let memory: Arc<dyn MemoryPool> = match memory {
            // The largest consumers are named when memory runs out.
            Some(bytes) => Arc::new(TrackConsumersPool::new(FairSpillPool::new(*bytes), five())),
            None => Arc::new(UnboundedMemoryPool::default()),
        };
        let scratch = Scratch::new(temporary.as_deref())
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let spills = DiskManagerMode::Directories(vec![scratch.path().to_owned()]);
        // How much the disk holds is the disk's matter.
        let disk = DiskManagerBuilder::default()
            .with_mode(spills)
            .with_max_temp_directory_size(u64::MAX);
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(Arc::clone(&memory))
            .with_disk_manager_builder(disk)
            .with_max_spill_merge_fan_in(match limited {
                Some(_) => SPILL_FAN_IN,
                // DataFusion's own way: as many as there are.
                None => 0,
            })
            .build_arc()?;
        let mut config = transom_sql::configure(SessionConfig::new())
            .with_target_partitions((*partitions).max(1))
            .with_batch_size(rows.max(1))
            .with_information_schema(false);
        let settings = config.options_mut();
        // Plugins get strings with offsets; views would be converted at every call.
        settings.execution.parquet.schema_force_view_types = false;
        settings.sql_parser.map_string_types_to_utf8view = false;
        // A hash join holds one side in memory and cannot spill; a sort-merge join can.
        settings.optimizer.prefer_hash_join = limited.is_none();
        // Every sort sets this aside before it has anything to sort, and a plan of many joins has many sorts.
        if let Some(bytes) = limited {
            let reservation = &mut settings.execution.sort_spill_reservation_bytes;
            *reservation = (*reservation).min(bytes / 128);
        }
        // Errors point into the query.
        settings.sql_parser.collect_spans = true;
        let builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(environment)
            .with_default_features()
            .with_query_planner(Arc::new(TransformQueryPlanner));
        let state = transom_sql::install(builder, limited).build();
        let context = SessionContext::new_with_state(state);
        if *seeded {
            for function in random::functions(time.seed) {
                context.register_udf(function);
            }
        }
        Ok(Self {
            context,
            runtime: PlanRuntime::new(*partitions, threads)?,
            memory,
            cancel,
            time: *time,
            plugins: BTreeMap::new(),
            described: BTreeMap::new(),
            steps: BTreeMap::new(),
            limited: limited.is_some(),
            move_instances: *move_instances,
            scratch,
        })
    }

    /// DataFusion's own context, for sources that need its state.
    pub fn context(&self) -> &SessionContext {
        &self.context
    }

    /// What a statement is planned with: SQL sees the same time as plugins do.
    fn state(&self) -> SessionState {
        let mut state = self.context.state();
        state.execution_props_mut().query_execution_start_time = Some(self.time.now.into());
        state
    }

    /// Stops the session's plugins when set.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Makes a plugin's functions and transforms known under the plugin's name.
    pub fn add_plugin(&mut self, plugin: Arc<Plugin>) {
        let name = plugin.name().to_owned();
        let pool = InstancePool::new(
            plugin,
            Arc::clone(&self.memory),
            self.cancel.clone(),
            self.time,
        );
        self.plugins.insert(name, Arc::new(pool));
    }

    /// The plugins, by name.
    pub fn plugins(&self) -> impl Iterator<Item = &Plugin> {
        self.plugins.values().map(|pool| pool.plugin().as_ref())
    }

    /// Makes the functions of a plugin known that is not there: queries that use them can be planned, and not run.
    pub fn add_description(&mut self, plugin: &str, description: Description) {
        self.described.insert(plugin.to_owned(), description);
    }

    /// Makes a table known to the steps.
    pub fn add_table(&self, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
        self.context
            .register_table(TableReference::bare(name), table)?;
        Ok(())
    }

    /// Makes a source known to the steps. `origin` is the same table with columns that say where a row is from, for transforms that keep
    /// rejected rows. Another table with the same columns can take its place later, and plans stay as they are.
    ///
    /// # Errors
    /// If the table has other columns than the one in whose place it comes.
    pub fn set_source(
        &mut self,
        name: &str,
        table: Arc<dyn TableProvider>,
        origin: Option<Arc<dyn TableProvider>>,
    ) -> Result<()> {
        if let Some(Step::Source(before)) = self.steps.get(name) {
            if before.schema() != table.schema() {
                return plan_err!("the columns of `{name}` are not those that were planned");
            }
        } else {
            self.add_table(name, Arc::new(StepTable::new(name, table.schema())))?;
        }
        self.steps.insert(name.to_owned(), Step::Source(table));
        if let Some(origin) = origin {
            self.steps.insert(with_origin(name), Step::Source(origin));
        }
        Ok(())
    }

    /// A source as it is read now, or a table that was added.
    pub async fn source(&self, name: &str) -> Option<Arc<dyn TableProvider>> {
        match self.steps.get(name) {
            Some(Step::Source(table)) => Some(Arc::clone(table)),
            Some(_) => None,
            None => self.context.table_provider(name).await.ok(),
        }
    }

    /// Forgets what was run and counted: plans are as they were when they were made, and run again at another time with another seed.
    pub fn renew(&mut self, time: LogicalTime, cancel: Cancel) {
        self.time = time;
        for pool in self.plugins.values() {
            pool.renew(time, cancel.clone());
        }
        self.cancel = cancel;
        for step in self.steps.values_mut() {
            if let Step::Spooled(plan, _) = step {
                *step = Step::Planned(plan.clone());
            }
            if let Step::Planned(plan) = step
                && let Some(node) = transform_of(plan)
            {
                *node.spec.state.lock() = None;
            }
        }
    }

    /// Makes a planned step known to the steps after it.
    ///
    /// What reads the step is planned against its schema alone; the step's plan takes its place when something is executed. So
    /// the readers of each step can be counted before it is decided whether it runs once for all of them ([`Session::spool`]).
    pub fn add_step(&mut self, name: &str, plan: LogicalPlan) -> Result<()> {
        let schema = Arc::new(Schema::new(plan.schema().fields().to_vec()));
        self.add_table(name, Arc::new(StepTable::new(name, schema)))?;
        self.steps.insert(name.to_owned(), Step::Planned(plan));
        Ok(())
    }

    /// Puts the steps' plans, or what they were spooled to, where a plan reads them.
    fn link(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        plan.transform_up_with_subqueries(|node| {
            let LogicalPlan::TableScan(scan) = &node else {
                return Ok(Transformed::no(node));
            };
            let name = scan.table_name.clone();
            let linked = match self.steps.get(name.table()) {
                None => return Ok(Transformed::no(node)),
                Some(Step::Planned(step)) => {
                    LogicalPlanBuilder::from(self.link(step.clone())?).alias(name)?
                }
                Some(Step::Spooled(_, table) | Step::Source(table)) => {
                    LogicalPlanBuilder::scan(name, provider_as_source(Arc::clone(table)), None)?
                }
            };
            Ok(Transformed::yes(linked.build()?))
        })
        .data()
    }

    /// The tables that a statement reads, in no order, each once.
    pub fn tables_of(&self, sql: &str) -> Result<Vec<String>> {
        let state = self.context.state();
        let statement = parse(&state, sql)?;
        let tables = state.resolve_table_references(&statement)?;
        Ok(tables
            .into_iter()
            .map(|table| table.table().to_owned())
            .collect())
    }

    pub(crate) fn parse(&self, sql: &str) -> Result<Statement> {
        parse(&self.context.state(), sql)
    }

    /// Whether a step may be this statement.
    pub fn check_query(&self, sql: &str) -> Result<()> {
        let state = self.context.state();
        transom_sql::only_query(&parse(&state, sql)?)
    }

    /// How often a plan reads `table`, self-joins and repeated CTEs included.
    pub fn reads_of(plan: &LogicalPlan, table: &str) -> Result<usize> {
        let mut reads = 0;
        plan.apply_with_subqueries(|node| {
            if matches!(node, LogicalPlan::TableScan(scan) if scan.table_name.table() == table) {
                reads += 1;
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(reads)
    }

    /// Plans a query. `on_error` says for each `plugin.function` what becomes of rows that it fails on.
    pub async fn plan_sql(
        &self,
        sql: &str,
        params: &Params,
        on_error: impl Fn(&str) -> ErrorPolicy,
    ) -> Result<LogicalPlan> {
        self.plan_query(None, sql, params, on_error).await
    }

    /// [`Session::plan_sql`] for a step, which errors of functions name.
    pub async fn plan_step(
        &self,
        step: &str,
        sql: &str,
        params: &Params,
        on_error: impl Fn(&str) -> ErrorPolicy,
    ) -> Result<LogicalPlan> {
        self.plan_query(Some(step), sql, params, on_error).await
    }

    async fn plan_query(
        &self,
        step: Option<&str>,
        sql: &str,
        params: &Params,
        on_error: impl Fn(&str) -> ErrorPolicy,
    ) -> Result<LogicalPlan> {
        let mut state = self.state();
        let mistakes = Mistakes::default();
        let plugins = self.plugins.iter();
        let plugins = plugins.map(|(name, pool)| (name, pool.plugin().description(), Some(pool)));
        let described = self.described.iter();
        let described = described.map(|(name, description)| (name, description, None));
        for (plugin, description, pool) in plugins.chain(described) {
            for function in &description.functions {
                let on_error = on_error(&format!("{plugin}.{}", function.name));
                let udf = PluginFunction::udf(step, plugin, function, pool, on_error, &mistakes);
                state.register_udf(Arc::new(udf))?;
            }
        }
        let mut statement = parse(&state, sql)?;
        transom_sql::only_query(&statement)?;
        bind(&mut statement, params)?;
        let is_scalar = |name: &str| {
            state.scalar_functions().contains_key(name)
                && !state.aggregate_functions().contains_key(name)
        };
        transom_sql::prepare(&mut statement, &is_scalar)?;
        let plan = state.statement_to_plan(statement.clone()).await;
        let mistakes = std::mem::take(&mut *mistakes.lock());
        if !mistakes.is_empty() {
            let wrong = WrongArguments::of(&mistakes, &statement);
            return Err(DataFusionError::External(Box::new(wrong)));
        }
        match plan? {
            LogicalPlan::Ddl(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::Statement(_) => {
                plan_err!("a step is a query; it cannot create, change or set anything")
            }
            query => {
                let query = transom_sql::planned(query)?;
                // Types that do not fit are found here, not when the plan runs.
                let options = state.config_options();
                let analyzer = state.analyzer();
                analyzer.execute_and_check(query.clone(), options, |_, _| {})?;
                transom_sql::check_subqueries(&state, &query)?;
                Ok(query)
            }
        }
    }

    /// Plans a transform over the table or step `input`.
    pub async fn plan_transform(&self, step: TransformStep, input: &str) -> Result<LogicalPlan> {
        let pool = self
            .plugins
            .get(&step.plugin)
            .ok_or_else(|| plan_datafusion_err!("there is no plugin `{}`", step.plugin))?;
        let description = pool
            .plugin()
            .description()
            .transform(&step.transform)
            .ok_or_else(|| {
                let names: Vec<&str> = pool
                    .plugin()
                    .description()
                    .transforms
                    .iter()
                    .map(|t| t.name.as_str())
                    .collect();
                plan_datafusion_err!(
                    "plugin `{}` has no transform `{}`; it has: {}",
                    step.plugin,
                    step.transform,
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                )
            })?;
        let name = TableReference::bare(input);
        let input = self.context.table(name.clone()).await?;
        let schema: SchemaRef = Arc::new(Schema::new(input.schema().fields().to_vec()));
        let origin = with_origin(name.table());
        let input = match self.steps.get(&origin) {
            Some(Step::Source(table)) if step.with_origin => {
                let placeholder = Arc::new(StepTable::new(&origin, table.schema()));
                let origin = TableReference::bare(origin.clone());
                LogicalPlanBuilder::scan(origin, provider_as_source(placeholder), None)?
                    .alias(name)?
                    .build()?
            }
            _ => input.into_unoptimized_plan(),
        };
        for column in step
            .partition_by
            .iter()
            .chain(step.order_by.iter().map(|order| &order.column))
        {
            if schema.index_of(column).is_err() {
                let names: Vec<&str> = schema
                    .fields()
                    .iter()
                    .map(|field| field.name().as_str())
                    .collect();
                return plan_err!(
                    "there is no column `{column}`; there are: {}",
                    names.join(", ")
                );
            }
        }
        for order in &step.order_by {
            let data_type = schema.field_with_name(&order.column)?.data_type();
            // A sort takes a NULL within a value for what it takes NULL for.
            if data_type.is_nested() && order.nulls_first != order.descending {
                return plan_err!(
                    "`order_by` has no column `{}` of type {} with `nulls_first: {}`, which would be about NULL within values, too;                      leave `nulls_first` out",
                    order.column,
                    transom_sql::type_name(data_type),
                    order.nulls_first
                );
            }
        }
        let failed = |error| {
            let what = format!("opening `{}.{}`", step.plugin, step.transform);
            DataFusionError::from(CallError::new(what, error))
        };
        let mut instance = pool.instantiate_for(0, 0).map_err(failed)?;
        let TransformStep {
            plugin,
            transform,
            options,
            ..
        } = &step;
        let opened = offer::open(&mut instance, plugin, transform, options, &schema);
        let (opened, offered) = opened.map_err(|unopened| match unopened {
            Unopened::Plugin(error) => failed(error),
            Unopened::Columns(wrong) => DataFusionError::External(Box::new(wrong)),
        })?;
        let stateful = description.stateful;
        let moves = self.move_instances && pool.plugin().has_runner();
        let spec = TransformSpec {
            step,
            pool: Arc::clone(pool),
            input: schema,
            offered,
            opened,
            stateful,
            state: Mutex::default(),
            moves,
        };
        let node = TransformNode::try_new(Arc::new(spec), input)?;
        Ok(LogicalPlan::Extension(Extension {
            node: Arc::new(node),
        }))
    }

    /// The plan that reads all of a table or step.
    pub async fn plan_scan(&self, table: &str) -> Result<LogicalPlan> {
        Ok(self
            .context
            .table(TableReference::bare(table))
            .await?
            .into_unoptimized_plan())
    }

    /// The plan as DataFusion would run it.
    pub async fn optimize(&self, plan: LogicalPlan) -> Result<Arc<dyn ExecutionPlan>> {
        let (state, plan) = (self.state(), self.link(plan)?);
        self.runtime
            .spawn(async move { state.create_physical_plan(&plan).await })
            .await
    }

    /// Starts a plan: a stream for each of its partitions.
    pub async fn execute(&self, plan: LogicalPlan) -> Result<Execution> {
        self.execute_by_keys(plan, &[], &[]).await
    }

    /// Starts a plan whose streams have rows with equal `keys` one after another, those of each key in one stream unless the plan is sorted
    /// by the keys already. Rows with equal keys, or those of a stream if there are no keys, come in this `order`, and otherwise as they
    /// were.
    pub async fn execute_by_keys(
        &self,
        plan: LogicalPlan,
        keys: &[String],
        order: &[OrderBy],
    ) -> Result<Execution> {
        let plan = self.optimize(plan).await?;
        let task = self.context.task_ctx();
        let (plan, task) = arrange::by_keys(plan, keys, order, task, self.limited)?;
        let partitions = plan.output_partitioning().partition_count();
        let streams = {
            // Operators spawn tasks on the runtime that they are started in.
            let _context = self.runtime.enter();
            (0..partitions)
                .map(|partition| {
                    Ok(self
                        .runtime
                        .drive(plan.execute(partition, Arc::clone(&task))?))
                })
                .collect::<Result<Vec<_>>>()?
        };
        Ok(Execution::new(plan, streams, self.cancel.clone()))
    }

    /// Has a transform step go on from the state of an earlier slice, and keep its own, until the session is renewed. All of its rows must
    /// then be read: it saves what it has seen.
    pub fn keep_state(&self, step: &str, state: Arc<dyn StateStore>) -> Result<()> {
        let node = match self.steps.get(step) {
            Some(Step::Planned(plan)) => transform_of(plan),
            _ => None,
        };
        let Some(node) = node else {
            return internal_err!("`{step}` is no transform that could keep its state");
        };
        *node.spec.state.lock() = Some(state);
        Ok(())
    }

    /// Runs a step that has several readers once; whatever reads it from now on reads the result. `rows` counts as it is written.
    pub async fn spool(&mut self, name: &str, rows: Arc<AtomicU64>) -> Result<Execution> {
        let Some(Step::Planned(plan)) = self.steps.get(name) else {
            return internal_err!("`{name}` is no step that could be spooled");
        };
        let plan = plan.clone();
        let mut execution = self.execute(plan.clone()).await?;
        let schema = execution.schema();
        let streams = std::mem::take(&mut execution.streams);
        let files: Vec<PathBuf> = (0..streams.len())
            .map(|part| self.scratch.path().join(format!("{name}-{part}.arrow")))
            .collect();
        let writes = streams
            .into_iter()
            .zip(files.clone())
            .map(|(stream, file)| {
                self.runtime
                    .spawn(spool::write(stream, file, Arc::clone(&rows)))
            });
        futures::future::try_join_all(writes).await?;
        self.steps.insert(
            name.to_owned(),
            Step::Spooled(plan, Arc::new(spool::table(&schema, files)?)),
        );
        Ok(execution)
    }

    /// The first rows of a plan, for people to see.
    pub async fn first_rows(
        &self,
        plan: LogicalPlan,
        rows: usize,
    ) -> Result<Vec<arrow::array::RecordBatch>> {
        let plan = LogicalPlanBuilder::from(plan)
            .limit(0, Some(rows))?
            .build()?;
        let mut execution = self.execute(plan).await?;
        let mut batches = Vec::new();
        for stream in std::mem::take(&mut execution.streams) {
            batches.extend(stream.try_collect::<Vec<_>>().await?);
        }
        execution.done();
        Ok(batches)
    }

    /// What plugins counted so far: by plugin, then by the plugin's own names.
    pub fn counters(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let counters = self
            .plugins
            .iter()
            .map(|(name, pool)| (name.clone(), pool.counters()));
        counters
            .filter(|(_, counters)| !counters.is_empty())
            .collect()
    }

    /// How often functions failed so far where `on_error` makes the value NULL: by `plugin.function`. A value that a plan computes
    /// twice counts twice, a call with nothing but constants once for all rows.
    pub fn failures(&self) -> BTreeMap<String, Failures> {
        let functions = self.plugins.iter().flat_map(|(plugin, pool)| {
            let failures = pool.failures().into_iter();
            failures.map(move |(function, failures)| (format!("{plugin}.{function}"), failures))
        });
        functions.collect()
    }

    /// Time in functions of all plugins so far.
    pub fn function_timing(&self) -> Timing {
        let mut total = Timing::default();
        self.plugins
            .values()
            .for_each(|pool| total += pool.timing());
        total
    }
}

fn parse(state: &SessionState, sql: &str) -> Result<Statement> {
    let options = &state.config().options().sql_parser;
    statement::parse(sql, &options.dialect, options.recursion_limit.get())
}

fn five() -> std::num::NonZeroUsize {
    std::num::NonZeroUsize::MIN.saturating_add(4)
}

/// What stands for a table while what reads it is planned.
enum Step {
    /// A step, part of the plan of its reader.
    Planned(LogicalPlan),
    /// A step that was run, and its plan.
    Spooled(LogicalPlan, Arc<dyn TableProvider>),
    /// A source, as it is read now.
    Source(Arc<dyn TableProvider>),
}

const WITH_ORIGIN: &str = " with its origin";

/// The source of which a table has the rows, which may be read with their origin.
pub(crate) fn source_of(table: &str) -> &str {
    table.strip_suffix(WITH_ORIGIN).unwrap_or(table)
}

/// The name under which the rows of a source are read with their origin; no source and no step has a name with spaces.
fn with_origin(source: &str) -> String {
    format!("{source}{WITH_ORIGIN}")
}

/// Stands for a source or a step while what reads it is planned; [`Session::link`] replaces it.
#[derive(Debug)]
struct StepTable {
    name: String,
    schema: SchemaRef,
}

impl StepTable {
    fn new(name: &str, schema: SchemaRef) -> Self {
        Self {
            name: name.to_owned(),
            schema,
        }
    }
}

#[async_trait]
impl TableProvider for StepTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    async fn scan(
        &self,
        _state: &dyn datafusion::catalog::Session,
        _projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        internal_err!("`{}` was not put in its place", self.name)
    }
}
