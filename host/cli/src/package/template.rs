//! The template of CloudFormation, with its transform for serverless applications (SAM), and the state machines: what
//! `sam deploy` makes of a package on AWS.

use std::path::Path;

use serde_json::{Map, Value, json};
use transom_file::Pipeline;
use transom_file::spec::Server;
use transom_plugin::Machine;

use super::policy::{self, Statement, WORKGROUP, sub};
use super::{Variables, states, yaml};
use crate::failure::Failure;

/// The files that are written.
pub(crate) const TEMPLATES: [&str; 3] = ["template.yaml", "states.json", "backfill.json"];

/// Bytes of a managed policy's document that IAM takes, without blanks between them.
const POLICY: usize = 6144;
/// The days for which CloudWatch keeps logs.
const LOG_DAYS: [u32; 22] = [
    1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922,
    3288, 3653,
];
/// The policy for the role that COPY reads with.
const COPY_POLICY: &str = "CopyPolicy";
/// Managed policies of a role at most.
const POLICIES: usize = 10;
/// How executions of a state machine end other than well: as the metrics of Step Functions call it, and in words.
const BAD_ENDS: [(&str, &str); 3] = [
    ("Failed", "fail"),
    ("Aborted", "are stopped"),
    ("TimedOut", "take too long"),
];

/// Writes `template.yaml`, `states.json` and `backfill.json` into the folder of a package. What they deploy runs with these values of
/// variables.
///
/// # Errors
/// If the pipeline has more sources and sinks than policies of IAM can name, a value cannot be carried, or the disk refuses.
pub(crate) fn write_templates(
    pipeline: &Pipeline,
    variables: &Variables,
    machine: Machine,
    folder: &Path,
) -> Result<(), Failure> {
    check_carried(variables)?;
    let backfill = states::backfill(&pipeline.name);
    let load = states::load(&pipeline.name, variables);
    let texts = [
        template(pipeline, variables, machine)?,
        json_text(&load),
        json_text(&backfill),
    ];
    for (name, text) in TEMPLATES.into_iter().zip(texts) {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|source| Failure::Io {
            what: format!("`{}` cannot be written", path.display()),
            source,
        })?;
    }
    Ok(())
}

/// Refuses values in which CloudFormation or Batch would replace something.
fn check_carried(variables: &Variables) -> Result<(), Failure> {
    for (name, value) in variables {
        if let Some(replaced) = ["${", "Ref::"]
            .into_iter()
            .find(|text| value.contains(*text))
        {
            return Err(Failure::Usage {
                message: format!(
                    "the value of the variable `{name}` has `{replaced}`, which AWS would replace in a template"
                ),
                hint: Some(
                    "write it in the pipeline's file, as `variables` of the target".to_owned(),
                ),
            });
        }
    }
    Ok(())
}

fn json_text(value: &Value) -> String {
    format!("{value:#}\n")
}

/// The template for one pipeline and its target.
fn template(
    pipeline: &Pipeline,
    variables: &Variables,
    machine: Machine,
) -> Result<String, Failure> {
    let (name, target) = (&pipeline.name, &pipeline.target);
    let mut text = format!(
        "# The pipeline `{name}` on its target `{target}`: a function that loads what is new, a state machine that invokes it until\n\
         # it is done, a schedule (off), alarms; with an image, also backfills in Batch. Written by `transom package`.\n"
    );
    let policies = policies(&policy::of(pipeline))?;
    let mut outputs = json!({
        "FunctionName": { "Value": { "Ref": "Function" } },
        "StateMachineArn": { "Value": { "Ref": "StateMachine" } },
        "BackfillArn": { "Condition": "HasImage", "Value": { "Ref": "Backfill" } },
        "TopicArn": { "Value": topic() },
    });
    if pipeline.redshift.is_some() {
        outputs["CopyPolicyArn"] = json!({
            "Description": "What the role of COPY has to be allowed; the warehouse owns it, so it is not attached here",
            "Value": { "Ref": COPY_POLICY },
        });
    }
    let sections = [
        json!({ "AWSTemplateFormatVersion": "2010-09-09" }),
        json!({ "Transform": "AWS::Serverless-2016-10-31" }),
        json!({ "Description": format!("Transom: {name} ({target})") }),
        json!({ "Parameters": parameters(pipeline) }),
        json!({ "Conditions": {
            "OwnTopic": { "Fn::Equals": [{ "Ref": "TopicArn" }, ""] },
            "HasImage": { "Fn::Not": [{ "Fn::Equals": [{ "Ref": "Image" }, ""] }] },
        } }),
        json!({ "Resources": resources(pipeline, variables, machine, policies) }),
        json!({ "Outputs": outputs }),
    ];
    for section in sections {
        text.push('\n');
        text.push_str(&yaml::document(&section));
    }
    Ok(text)
}

fn parameters(pipeline: &Pipeline) -> Value {
    let number = |default: u32, least: u32, most: u32, about: &str| json!({ "Type": "Number", "Default": default, "MinValue": least, "MaxValue": most, "Description": about });
    let mut parameters = json!({
        "Memory": number(1769, 128, 10_240, "Megabytes of the function; 1769 are one vCPU"),
        "Timeout": number(900, 10, 900, "Seconds of one invocation"),
        "Temporary": number(2048, 512, 10_240, "Megabytes of /tmp, where sorts and joins spill to"),
        "LogDays": {
            "Type": "Number",
            "Default": 30,
            "AllowedValues": LOG_DAYS,
            "Description": "Days for which logs are kept",
        },
        "ScheduleExpression": {
            "Type": "String",
            "Default": "rate(1 hour)",
            "Description": "When the state machine begins, as EventBridge Scheduler writes it",
        },
        "ScheduleState": {
            "Type": "String",
            "Default": "DISABLED",
            "AllowedValues": ["DISABLED", "ENABLED"],
            "Description": "Whether the schedule is on",
        },
        "TopicArn": {
            "Type": "String",
            "Default": "",
            "Description": "The topic of SNS for failures; one is made if it is empty",
        },
        "Image": {
            "Type": "String",
            "Default": "",
            "Description": "The image of Batch, with its registry; without one there is no Batch",
        },
        "Subnets": {
            "Type": "CommaDelimitedList",
            "Default": "",
            "Description": "Subnets of Batch's jobs, with a way to S3 and the registry",
        },
        "SecurityGroups": {
            "Type": "CommaDelimitedList",
            "Default": "",
            "Description": "Security groups of Batch's jobs",
        },
        "AssignPublicIp": {
            "Type": "String",
            "Default": "DISABLED",
            "AllowedValues": ["DISABLED", "ENABLED"],
            "Description": "Whether Batch's jobs have public addresses, as public subnets need it",
        },
        "JobCores": {
            "Type": "String",
            "Default": "4",
            "AllowedValues": ["1", "2", "4", "8", "16"],
            "Description": "vCPUs of a job of Batch",
        },
        "JobMemory": {
            "Type": "String",
            "Default": "16384",
            "Description": "Megabytes of a job of Batch; Fargate takes certain sizes for each number of vCPUs",
        },
        "MostCores": number(64, 1, 1024, "vCPUs of all jobs of Batch at once"),
    });
    if let Some(redshift) = &pipeline.redshift
        && let Server::Workgroup(name) = &redshift.server
    {
        let region = pipeline.aws.region.as_deref();
        let there = region.map(|region| format!(" --region {region}"));
        parameters[WORKGROUP] = json!({
            "Type": "String",
            "AllowedPattern": format!(
                "arn:[a-z-]+:redshift-serverless:{}:[0-9]{{12}}:workgroup/.+",
                region.unwrap_or("[a-z0-9-]+")
            ),
            "Description": format!(
                "What `aws redshift-serverless get-workgroup --workgroup-name {name}{}` says as workgroupArn",
                there.unwrap_or_default()
            ),
        });
    }
    parameters
}

/// The topic for failures.
fn topic() -> Value {
    json!({ "Fn::If": ["OwnTopic", { "Ref": "Topic" }, { "Ref": "TopicArn" }] })
}

/// Of AWS, which the ARNs of services begin with.
fn partition() -> Value {
    json!({ "Ref": "AWS::Partition" })
}

/// The documents of the policies that function and jobs share.
fn policies(statements: &[Statement]) -> Result<Vec<Value>, Failure> {
    let mut documents: Vec<Vec<Value>> = Vec::new();
    let empty = document(Vec::new()).to_string().len();
    let mut bytes = 0;
    for statement in statements {
        let value = statement.to_value();
        let size = policy::deployed(&value).to_string().len() + ",".len();
        match documents.last_mut() {
            Some(document) if bytes + size <= POLICY => document.push(value),
            _ => {
                documents.push(vec![value]);
                bytes = empty;
            }
        }
        bytes += size;
    }
    match documents.len() > POLICIES {
        true => Err(Failure::Usage {
            message: format!(
                "what the pipeline may do needs {} policies of IAM; a role has {POLICIES} at most",
                documents.len()
            ),
            hint: Some(
                "divide the pipeline, or let sources and sinks lie in fewer places".to_owned(),
            ),
        }),
        false => Ok(documents.into_iter().map(document).collect()),
    }
}

fn document(statements: Vec<Value>) -> Value {
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn managed_policy(about: String, document: Value) -> Value {
    json!({
        "Type": "AWS::IAM::ManagedPolicy",
        "Properties": { "Description": about, "PolicyDocument": document },
    })
}

/// A role that a service takes on.
fn role(service: &str, name: &str, statements: Vec<Value>, policies: &[Value]) -> Value {
    let trust = json!({
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": { "Service": service },
    });
    let mut role = json!({
        "Type": "AWS::IAM::Role",
        "Properties": { "AssumeRolePolicyDocument": document(vec![trust]) },
    });
    if !statements.is_empty() {
        role["Properties"]["Policies"] =
            json!([{ "PolicyName": name, "PolicyDocument": document(statements) }]);
    }
    if !policies.is_empty() {
        role["Properties"]["ManagedPolicyArns"] = policies.into();
    }
    role
}

fn allow(reason: &str, actions: &[&str], resource: Value) -> Value {
    json!({ "#": reason, "Effect": "Allow", "Action": actions, "Resource": resource })
}

fn arn_of(resource: &str) -> Value {
    json!({ "Fn::GetAtt": [resource, "Arn"] })
}

fn log_group() -> Value {
    json!({
        "Type": "AWS::Logs::LogGroup",
        "DeletionPolicy": "Delete",
        "UpdateReplacePolicy": "Delete",
        "Properties": { "RetentionInDays": { "Ref": "LogDays" } },
    })
}

fn writes_logs(group: &str) -> Value {
    let actions = ["logs:CreateLogStream", "logs:PutLogEvents"];
    allow("Its log", &actions, sub(&format!("${{{group}.Arn}}")))
}

/// An alarm when a metric is not zero for five minutes.
fn alarm(about: String, namespace: &str, metric: &str, dimension: &str, of: Value) -> Value {
    json!({
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmDescription": about,
            "Namespace": namespace,
            "MetricName": metric,
            "Dimensions": [{ "Name": dimension, "Value": of }],
            "Statistic": "Sum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [topic()],
        },
    })
}

fn resources(
    pipeline: &Pipeline,
    variables: &Variables,
    machine: Machine,
    documents: Vec<Value>,
) -> Value {
    let (name, target) = (&pipeline.name, &pipeline.target);
    // The program and the plugins are machine code.
    let of_lambda = match machine {
        Machine::X86_64 => "x86_64",
        Machine::Aarch64 => "arm64",
    };
    let mut resources = Map::new();
    let mut policies = Vec::new();
    for (at, document) in documents.into_iter().enumerate() {
        let of = format!("Policy{}", at + 1);
        policies.push(json!({ "Ref": of }));
        let about = format!("What runs of {name} ({target}) need");
        resources.insert(of, managed_policy(about, document));
    }
    if pipeline.redshift.is_some() {
        let about = format!("What COPY needs for {name} ({target})");
        let statements = policy::of_copy(pipeline);
        let statements = statements.iter().map(Statement::to_value).collect();
        let policy = managed_policy(about, document(statements));
        resources.insert(COPY_POLICY.to_owned(), policy);
    }
    let executions = "executions of the state machine";
    for (machine, alarms, what, condition) in [
        ("StateMachine", "Executions", executions, None),
        ("Backfill", "Backfills", "backfills", Some("HasImage")),
    ] {
        for (end, in_words) in BAD_ENDS {
            let mut alarm = alarm(
                format!("{name}: {what} {in_words}"),
                "AWS/States",
                &format!("Executions{end}"),
                "StateMachineArn",
                json!({ "Ref": machine }),
            );
            if let Some(condition) = condition {
                alarm["Condition"] = json!(condition);
            }
            resources.insert(format!("{alarms}{end}"), alarm);
        }
    }
    let schedule = json!({
        "Type": "AWS::Scheduler::Schedule",
        "Properties": {
            "ScheduleExpression": { "Ref": "ScheduleExpression" },
            "State": { "Ref": "ScheduleState" },
            "FlexibleTimeWindow": { "Mode": "OFF" },
            "Target": { "Arn": { "Ref": "StateMachine" }, "RoleArn": arn_of("ScheduleRole"), "Input": "{}" },
        },
    });
    let begins = allow(
        "The schedule begins an execution",
        &["states:StartExecution"],
        json!({ "Ref": "StateMachine" }),
    );
    let notifies = || allow("Failures are published", &["sns:Publish"], topic());
    let invokes = allow(
        "Each step is an invocation",
        &["lambda:InvokeFunction"],
        arn_of("Function"),
    );
    let of_load = [
        (
            "Function",
            json!({
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "CodeUri": "lambda.zip",
                    "Handler": "bootstrap",
                    "Runtime": "provided.al2023",
                        "Architectures": [of_lambda],
                    "MemorySize": { "Ref": "Memory" },
                    "Timeout": { "Ref": "Timeout" },
                    "EphemeralStorage": { "Size": { "Ref": "Temporary" } },
                    "Role": arn_of("FunctionRole"),
                    "LoggingConfig": { "LogGroup": { "Ref": "FunctionLog" }, "LogFormat": "JSON" },
                    "Environment": { "Variables": { "TRANSOM_TARGET": target } },
                },
            }),
        ),
        ("FunctionLog", log_group()),
        (
            "FunctionRole",
            role(
                "lambda.amazonaws.com",
                "log",
                vec![writes_logs("FunctionLog")],
                &policies,
            ),
        ),
        (
            "StateMachine",
            json!({
                "Type": "AWS::Serverless::StateMachine",
                "Properties": {
                    "DefinitionUri": "states.json",
                    "DefinitionSubstitutions": {
                        "Function": arn_of("Function"),
                        "Partition": partition(),
                        "Topic": topic(),
                    },
                    "Role": arn_of("StatesRole"),
                },
            }),
        ),
        (
            "StatesRole",
            role(
                "states.amazonaws.com",
                "load",
                vec![invokes, notifies()],
                &[],
            ),
        ),
        ("Schedule", schedule),
        (
            "ScheduleRole",
            role("scheduler.amazonaws.com", "begin", vec![begins], &[]),
        ),
        (
            "Topic",
            json!({ "Type": "AWS::SNS::Topic", "Condition": "OwnTopic" }),
        ),
        (
            "FunctionErrors",
            alarm(
                format!("{name}: invocations fail"),
                "AWS/Lambda",
                "Errors",
                "FunctionName",
                json!({ "Ref": "Function" }),
            ),
        ),
    ];
    // Of the image's entry point, `transom run --batch`.
    let mut command = vec!["--target".to_owned(), target.clone()];
    for (name, value) in variables {
        command.extend(["--var".to_owned(), format!("{name}={value}")]);
    }
    for (id, resource) in
        of_load
            .into_iter()
            .chain(of_batch(&command, machine, notifies(), &policies))
    {
        resources.insert(id.to_owned(), resource);
    }
    Value::Object(resources)
}

/// What a backfill needs. All of it is there only with an image.
fn of_batch(
    command: &[String],
    machine: Machine,
    notifies: Value,
    policies: &[Value],
) -> Vec<(&'static str, Value)> {
    let of_fargate = match machine {
        Machine::X86_64 => "X86_64",
        Machine::Aarch64 => "ARM64",
    };
    let signs_in = allow(
        "The registry of the image, which gives its token for all that it has",
        &["ecr:GetAuthorizationToken"],
        json!("*"),
    );
    let pulls = allow(
        "The image, which may be in the registry of another account",
        &[
            "ecr:BatchCheckLayerAvailability",
            "ecr:GetDownloadUrlForLayer",
            "ecr:BatchGetImage",
        ],
        sub("arn:${AWS::Partition}:ecr:*:*:repository/*"),
    );
    let rule = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:\
                rule/StepFunctionsGetEventsForBatchJobsRule";
    let submits = allow(
        "Each share of a backfill is a job",
        &["batch:SubmitJob"],
        json!([{ "Ref": "Queue" }, { "Ref": "Job" }]),
    );
    let waits = allow(
        "Jobs are waited for, and ended with the execution; they have no names before they begin",
        &["batch:DescribeJobs", "batch:TerminateJob"],
        json!("*"),
    );
    let hears = allow(
        "Step Functions hears of ended jobs by a rule of its own",
        &["events:PutTargets", "events:PutRule", "events:DescribeRule"],
        sub(rule),
    );
    let on_exit = json!([
        { "#": "A temporary failure", "OnExitCode": "75", "Action": "RETRY" },
        { "#": "Asked to stop, as when its machine is retired, it has ended in its 30 seconds", "OnExitCode": "143", "Action": "RETRY" },
        { "#": "The machine below the job has failed", "OnStatusReason": "Host EC2*", "Action": "RETRY" },
        { "#": "The container did not begin", "OnReason": "CannotPullContainer*", "Action": "RETRY" },
        { "#": "Anything else would fail again", "OnExitCode": "*", "Action": "EXIT" },
    ]);
    let resources = [
        (
            "Environment",
            json!({
                "Type": "AWS::Batch::ComputeEnvironment",
                // Subnets are empty only where there is no image.
                "Metadata": { "cfn-lint": { "config": { "ignore_checks": ["W1030"] } } },
                "Properties": {
                    "Type": "MANAGED",
                    "ComputeResources": {
                        "Type": "FARGATE",
                        "MaxvCpus": { "Ref": "MostCores" },
                        "Subnets": { "Ref": "Subnets" },
                        "SecurityGroupIds": { "Ref": "SecurityGroups" },
                    },
                },
            }),
        ),
        (
            "Queue",
            json!({
                "Type": "AWS::Batch::JobQueue",
                "Properties": {
                    "Priority": 1,
                    "ComputeEnvironmentOrder": [{ "Order": 1, "ComputeEnvironment": { "Ref": "Environment" } }],
                },
            }),
        ),
        (
            "Job",
            json!({
                "Type": "AWS::Batch::JobDefinition",
                "Properties": {
                    "Type": "container",
                    "PlatformCapabilities": ["FARGATE"],
                    "RetryStrategy": { "Attempts": 5, "EvaluateOnExit": on_exit },
                    "ContainerProperties": {
                        "Image": { "Ref": "Image" },
                        "Command": command,
                        "Environment": [{
                            "#": "Where services are, if the target does not say; functions have it from Lambda",
                            "Name": "AWS_REGION",
                            "Value": { "Ref": "AWS::Region" },
                        }],
                        "JobRoleArn": arn_of("JobRole"),
                        "ExecutionRoleArn": arn_of("JobStartRole"),
                        "ResourceRequirements": [
                            { "Type": "VCPU", "Value": { "Ref": "JobCores" } },
                            { "Type": "MEMORY", "Value": { "Ref": "JobMemory" } },
                        ],
                        "NetworkConfiguration": { "AssignPublicIp": { "Ref": "AssignPublicIp" } },
                        "EphemeralStorage": { "SizeInGiB": 50 },
                        "RuntimePlatform": { "CpuArchitecture": of_fargate, "OperatingSystemFamily": "LINUX" },
                        "LogConfiguration": {
                            "LogDriver": "awslogs",
                            "Options": { "awslogs-group": { "Ref": "JobLog" } },
                        },
                    },
                },
            }),
        ),
        ("JobLog", log_group()),
        (
            "JobRole",
            role("ecs-tasks.amazonaws.com", "job", Vec::new(), policies),
        ),
        (
            "JobStartRole",
            role(
                "ecs-tasks.amazonaws.com",
                "start",
                vec![signs_in, pulls, writes_logs("JobLog")],
                &[],
            ),
        ),
        (
            "Backfill",
            json!({
                "Type": "AWS::Serverless::StateMachine",
                "Properties": {
                    "DefinitionUri": "backfill.json",
                    "DefinitionSubstitutions": {
                        "Queue": { "Ref": "Queue" },
                        "Job": { "Ref": "Job" },
                        "Partition": partition(),
                        "Topic": topic(),
                    },
                    "Role": arn_of("BackfillRole"),
                },
            }),
        ),
        (
            "BackfillRole",
            role(
                "states.amazonaws.com",
                "backfill",
                vec![submits, waits, hears, notifies],
                &[],
            ),
        ),
    ];
    let conditional = resources.map(|(id, mut resource)| {
        resource["Condition"] = json!("HasImage");
        (id, resource)
    });
    conditional.into()
}
