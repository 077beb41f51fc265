//! What the function and the jobs may do on AWS, derived from the pipeline: each statement has its reason.
//!
//! Texts are those of CloudFormation's `Fn::Sub`: `${..}` is a parameter, `${!..}` stays for IAM.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde_json::{Value, json};
use transom_file::spec::{DbUser, LoadMode, Place, RedshiftOptions, S3Url, Server};
use transom_file::{Pipeline, SinkKind};

use super::pipeline::has_dead_letters;

/// The parameter of the template with the ARN of the workgroup, which holds an id that its name does not tell.
pub(crate) const WORKGROUP: &str = "WorkgroupArn";

/// Actions that are allowed on resources.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    /// Its name, of letters and digits.
    pub(crate) sid: String,
    /// Why the pipeline needs it.
    pub(crate) reason: String,
    /// When it is needed, if an ordinary run does without.
    pub(crate) only: Option<&'static str>,
    actions: Vec<&'static str>,
    resources: Vec<String>,
    condition: Option<Value>,
}

impl Statement {
    /// As IAM has it, with its reason as a comment.
    pub(crate) fn to_value(&self) -> Value {
        let reason = match self.only {
            Some(only) => format!("{}. Only for {only}", self.reason),
            None => self.reason.clone(),
        };
        let resources: Vec<Value> = self.resources.iter().map(|text| sub(text)).collect();
        let mut value = json!({
            "#": reason,
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": self.actions,
            "Resource": resources,
        });
        if let Some(condition) = &self.condition {
            value["Condition"] = condition.clone();
        }
        value
    }
}

/// A part of a document as IAM counts it: without comments, with parameters as long as they become.
pub(crate) fn deployed(value: &Value) -> Value {
    match value {
        Value::Object(fields) => match fields.get("Fn::Sub") {
            Some(text) => json!(replaced(text.as_str().unwrap_or_default())),
            None => {
                let fields = fields.iter().filter(|(name, _)| *name != "#");
                let fields = fields.map(|(name, value)| (name.clone(), deployed(value)));
                Value::Object(fields.collect())
            }
        },
        Value::Array(items) => items.iter().map(deployed).collect(),
        other => other.clone(),
    }
}

/// A text of `Fn::Sub` with parameters that are at least as long as any.
fn replaced(text: &str) -> String {
    const ARN: &str = "arn:aws-us-gov:redshift-serverless:ap-southeast-1:123456789012:workgroup/123e4567-e89b-12d3-a456-426614174000";
    text.replace("${AWS::Partition}", "aws-us-gov")
        .replace("${AWS::Region}", "ap-southeast-1")
        .replace("${AWS::AccountId}", "123456789012")
        .replace(&format!("${{{WORKGROUP}}}"), ARN)
        .replace("${!", "${")
}

/// All that a run of the pipeline on its target needs, and no more.
pub(crate) fn of(pipeline: &Pipeline) -> Vec<Statement> {
    let mut policy = Policy::default();
    for source in &pipeline.sources {
        if let Ok(url) = S3Url::parse(&source.path.value) {
            policy.source(&source.name.value, &url);
        }
    }
    for sink in &pipeline.sinks {
        if let SinkKind::Files(files) = &sink.kind
            && let Place::S3(url) = &files.path.value
        {
            match files.mode.value {
                LoadMode::Append => policy.growing(&sink.name.value, url),
                _ => policy.switched(&sink.name.value, url, pipeline.is_sliced()),
            }
        }
    }
    if let (true, Place::S3(url)) = (has_dead_letters(pipeline), &pipeline.dead_letters) {
        let of = Area::below(url);
        let reason = "Rejected rows are written below it";
        let only = Some("rows that are rejected");
        policy.area("DeadLetters", reason, only, &of, &[GET, PUT, DELETE, ABORT]);
    }
    if let (true, Place::S3(url)) = (pipeline.is_sliced(), &pipeline.state) {
        let reason = "The log of what was loaded, and the reports of runs";
        let state = Area::below(url);
        policy.area("State", reason, None, &state, &[GET, PUT]);
        let reason = "Each run looks for a rule of the bucket that would delete the log";
        let actions = ["s3:GetLifecycleConfiguration"];
        policy.add(
            "StateRules",
            reason,
            None,
            &actions,
            vec![state.bucket_arn()],
        );
    }
    if let Some(redshift) = &pipeline.redshift {
        policy.redshift(redshift, &region(pipeline));
    }
    if let Some(key) = &pipeline.aws.kms_key {
        let reason = "What is written is encrypted with this key";
        let only = "S3, which asks KMS in the function's name";
        policy.kms(key, reason, only, &["kms:GenerateDataKey", "kms:Decrypt"]);
    }
    policy.statements
}

/// All that the role needs which COPY reads with; nothing without a warehouse.
pub(crate) fn of_copy(pipeline: &Pipeline) -> Vec<Statement> {
    let mut policy = Policy::default();
    if let Some(redshift) = &pipeline.redshift {
        let staging = Area::below(&redshift.staging);
        let reason = "COPY reads the rows that wait in the staging prefix";
        policy.area("Copy", reason, None, &staging, &[GET]);
        if let Some(key) = &pipeline.aws.kms_key {
            let reason = "What waits there is encrypted with this key";
            let only = "S3, which asks KMS in the role's name";
            policy.kms(key, reason, only, &["kms:Decrypt"]);
        }
    }
    policy.statements
}

/// The region in which services are asked: the target's, or that of the stack, which functions and jobs have in their environment. Buckets
/// are used where they are.
fn region(pipeline: &Pipeline) -> String {
    let said = pipeline.aws.region.as_deref();
    said.map_or_else(|| "${AWS::Region}".to_owned(), escaped)
}

const GET: &str = "s3:GetObject";
const PUT: &str = "s3:PutObject";
const DELETE: &str = "s3:DeleteObject";
const ABORT: &str = "s3:AbortMultipartUpload";

/// Keys of a bucket, as patterns of IAM.
struct Area {
    bucket: String,
    keys: Vec<String>,
    /// What is listed; these keys if it is empty.
    listed: Vec<String>,
}

impl Area {
    fn new(bucket: &str, keys: Vec<String>) -> Self {
        Self {
            bucket: bucket.to_owned(),
            keys,
            listed: Vec::new(),
        }
    }

    fn bucket_arn(&self) -> String {
        format!("arn:${{AWS::Partition}}:s3:::{}", self.bucket)
    }

    fn objects(&self) -> Vec<String> {
        let objects = self.keys.iter();
        objects
            .map(|key| format!("{}/{key}", self.bucket_arn()))
            .collect()
    }

    /// Everything below a prefix.
    fn below(url: &S3Url) -> Self {
        let keys = vec![format!("{}*", folder(&escaped(&url.key)))];
        Self::new(&url.bucket, keys)
    }
}

/// A prefix that ends with `/`; the whole bucket is the empty one.
fn folder(key: &str) -> String {
    match key {
        "" => String::new(),
        key if key.ends_with('/') => key.to_owned(),
        key => format!("{key}/"),
    }
}

/// The folder that a table lies in, as a prefix, and its name; of a table that is a whole bucket there is none.
fn beside(url: &S3Url) -> Option<(String, String)> {
    let (above, name) = url.split()?;
    Some((folder(&escaped(&above.key)), escaped(name)))
}

/// A text in which nothing is a wildcard or a variable of IAM, as `Fn::Sub` takes it. IAM has no letters beyond Latin-1: any letter may
/// stand in the place of one.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '*' | '?' | '$' => {
                // Writing to a string does not fail.
                let _ = write!(escaped, "${{!{letter}}}");
            }
            '\t' | '\n' | '\r' | ' '..='\u{ff}' => escaped.push(letter),
            '\u{10000}'.. => escaped.push('*'),
            _ => escaped.push('?'),
        }
    }
    escaped
}

/// A text with parameters as CloudFormation has it.
pub(crate) fn sub(text: &str) -> Value {
    match text.contains("${") {
        true => json!({ "Fn::Sub": text }),
        false => json!(text),
    }
}

#[derive(Default)]
struct Policy {
    statements: Vec<Statement>,
    sids: HashSet<String>,
}

impl Policy {
    fn add(
        &mut self,
        sid: &str,
        reason: &str,
        only: Option<&'static str>,
        actions: &[&'static str],
        resources: Vec<String>,
    ) -> &mut Statement {
        let mut unique = sid.to_owned();
        let mut number = 2;
        while !self.sids.insert(unique.clone()) {
            unique = format!("{sid}{number}");
            number += 1;
        }
        self.statements.push(Statement {
            sid: unique,
            reason: reason.to_owned(),
            only,
            actions: actions.to_vec(),
            resources,
            condition: None,
        });
        let last = self.statements.len() - 1;
        &mut self.statements[last]
    }

    /// Actions on objects, and what they need of their bucket.
    fn area(
        &mut self,
        sid: &str,
        reason: &str,
        only: Option<&'static str>,
        area: &Area,
        actions: &[&'static str],
    ) {
        self.add(sid, reason, only, actions, area.objects());
        let listed = match area.listed.is_empty() {
            true => &area.keys,
            false => &area.listed,
        };
        let prefixes: Vec<Value> = listed.iter().map(|key| sub(key)).collect();
        let listing = self.add(
            &format!("{sid}List"),
            &format!("{reason}. Listed; without it S3 denies what is not there"),
            only,
            &["s3:ListBucket"],
            vec![area.bucket_arn()],
        );
        // A look at the bucket or at an object has no prefix.
        listing.condition = Some(json!({ "StringLikeIfExists": { "s3:prefix": prefixes } }));
    }

    /// Data that is written in files, and deleted when it is not needed any more. `usual` is what each run does with it.
    fn data(&mut self, sid: &str, reason: &str, area: &Area, usual: &[&'static str]) {
        self.area(sid, reason, None, area, usual);
        let all = [GET, DELETE, ABORT].into_iter();
        let rest: Vec<_> = all.filter(|action| !usual.contains(action)).collect();
        let only = Some("what is given up or old, and large files");
        self.add(&format!("{sid}Tidy"), reason, only, &rest, area.objects());
    }

    fn source(&mut self, name: &str, url: &S3Url) {
        let sid = format!("Source{}", camel(name));
        let reason = format!("The source `{name}` reads {url}");
        // As the listing divides it: a folder without wildcards, and what the names in it begin with.
        let (base, begin) = match url.key.find(['*', '?', '[']) {
            Some(at) => {
                let slash = url.key[..at].rfind('/').map_or(0, |slash| slash + 1);
                (url.key[..slash].to_owned(), &url.key[slash..at])
            }
            None => (folder(&url.key), ""),
        };
        let mut keys = vec![format!("{}{}*", escaped(&base), escaped(begin))];
        if base.strip_suffix('/') == Some(url.key.as_str()) {
            keys.insert(0, escaped(&url.key));
        }
        self.area(&sid, &reason, None, &Area::new(&url.bucket, keys), &[GET]);
        // Each folder on the way may be a table: its pointer is looked for when no file is found, and then what the folders hold.
        let (mut pointers, mut versions, mut folders) = (vec![], vec![], vec![String::new()]);
        for (at, _) in base.match_indices('/') {
            let table = S3Url {
                bucket: url.bucket.clone(),
                key: base[..at].trim_end_matches('/').to_owned(),
            };
            if let Some((above, name)) = beside(&table) {
                pointers.push(format!("{above}{name}/_transom/current"));
                versions.push(format!("{above}.{name}.versions/*"));
                folders.push(escaped(&base[..=at]));
            }
        }
        if begin.is_empty() {
            // They lie within the source.
            pointers.pop();
            folders.pop();
        } else {
            versions.push(format!("{}.{}*.versions/*", escaped(&base), escaped(begin)));
        }
        if versions.is_empty() {
            return;
        }
        let only = Some(
            "a source that is a table which Transom publishes, or a part of one, and one without files",
        );
        let area = Area {
            bucket: url.bucket.clone(),
            keys: [pointers, versions.clone()].concat(),
            listed: [versions, folders].concat(),
        };
        self.area(&format!("{sid}Versions"), &reason, only, &area, &[GET]);
    }

    /// A table of files to which each slice adds: written beside it, then copied.
    fn growing(&mut self, name: &str, url: &S3Url) {
        let sid = format!("Sink{}", camel(name));
        let Some((above, table)) = beside(url) else {
            return;
        };
        let reason = format!("The sink `{name}` adds files to {url}");
        let area = Area::new(&url.bucket, vec![format!("{above}{table}/*")]);
        self.area(&sid, &reason, None, &area, &[PUT]);
        let only = Some("copies whose answer was lost, and rewinds that the next run finishes");
        let actions = [GET, DELETE];
        self.add(
            &format!("{sid}Repair"),
            &reason,
            only,
            &actions,
            area.objects(),
        );
        let reason =
            format!("The sink `{name}` writes its files beside the table, and copies them");
        let area = Area::new(&url.bucket, vec![format!("{above}.{table}.transom/*")]);
        self.data(&format!("{sid}Staged"), &reason, &area, &[GET, PUT]);
    }

    /// A table with versions, of which a pointer names the one that readers see. In slices, a version is a list of files.
    fn switched(&mut self, name: &str, url: &S3Url, is_sliced: bool) {
        let sid = format!("Sink{}", camel(name));
        let Some((above, table)) = beside(url) else {
            return;
        };
        let reason = format!("The sink `{name}` switches the pointer of {url}");
        let area = Area {
            bucket: url.bucket.clone(),
            keys: vec![format!("{above}{table}/_transom/current")],
            listed: vec![format!("{above}{table}/*")],
        };
        self.area(&sid, &reason, None, &area, &[GET, PUT]);
        let reason =
            format!("The sink `{name}` writes versions of its table, and deletes old ones");
        let area = Area::new(&url.bucket, vec![format!("{above}.{table}.versions/*")]);
        let usual: &[_] = if is_sliced { &[GET, PUT] } else { &[PUT] };
        self.data(&format!("{sid}Versions"), &reason, &area, usual);
    }

    fn redshift(&mut self, redshift: &RedshiftOptions, region: &str) {
        let of_cluster = |resource: &str| of_service("redshift", region, resource);
        let staging = Area::below(&redshift.staging);
        let reason = "Rows wait in the staging prefix until COPY has loaded them";
        let objects = staging.objects();
        self.add("Staging", reason, None, &[PUT], objects);
        let reason = "What was staged and is not needed any more is deleted";
        let only = Some("collections that the next run finishes, and large files");
        self.area("StagingTidy", reason, only, &staging, &[GET, DELETE, ABORT]);
        let warehouse = match &redshift.server {
            Server::Workgroup(_) => format!("${{{WORKGROUP}}}"),
            Server::Cluster(name) => of_cluster(&format!("cluster:{name}")),
        };
        let reason = "Sinks run statements in the warehouse";
        let of = vec![warehouse.clone()];
        let actions = [
            "redshift-data:ExecuteStatement",
            "redshift-data:BatchExecuteStatement",
        ];
        self.add("Warehouse", reason, None, &actions, of.clone());
        let actions = [
            "redshift-data:DescribeStatement",
            "redshift-data:GetStatementResult",
        ];
        let reason = "Statements are waited for: its own, by a condition, since they have no ARN";
        let own = self.add(
            "WarehouseStatements",
            reason,
            None,
            &actions,
            vec!["*".to_owned()],
        );
        own.condition = Some(json!({
            "StringEquals": { "redshift-data:statement-owner-iam-userid": sub("${!aws:userid}") }
        }));
        let database = &redshift.database;
        let (action, of, reason) = match (&redshift.user, &redshift.server) {
            (Some(DbUser::SecretArn(secret)), _) => (
                "secretsmanager:GetSecretValue",
                vec![of_secret(secret, region)],
                "Sessions run as the user in the secret",
            ),
            (_, Server::Workgroup(_)) => (
                "redshift-serverless:GetCredentials",
                of,
                "Sessions run as the user that belongs to the role",
            ),
            (Some(DbUser::DbUser(user)), Server::Cluster(cluster)) => (
                "redshift:GetClusterCredentials",
                vec![
                    of_cluster(&format!("dbname:{cluster}/{database}")),
                    of_cluster(&format!("dbuser:{cluster}/{user}")),
                ],
                "Sessions run as the user of the database",
            ),
            (None, Server::Cluster(cluster)) => (
                "redshift:GetClusterCredentialsWithIAM",
                vec![of_cluster(&format!("dbname:{cluster}/{database}"))],
                "Sessions run as the user that belongs to the role",
            ),
        };
        self.add("WarehouseUser", reason, None, &[action], of);
    }

    fn kms(&mut self, key: &str, reason: &str, only: &'static str, actions: &[&'static str]) {
        // In the region of the bucket, which the pipeline does not tell.
        let keys = "arn:${AWS::Partition}:kms:*:${AWS::AccountId}:key/";
        let (of, alias) = match key {
            arn if arn.starts_with("arn:") && arn.contains(":key/") => (escaped(arn), None),
            arn if arn.starts_with("arn:") => match arn.rsplit_once(':') {
                // Of the account and region of the alias.
                Some((of, alias)) => (format!("{}:key/*", escaped(of)), Some(alias)),
                None => (escaped(arn), None),
            },
            alias if alias.starts_with("alias/") => (format!("{keys}*"), Some(alias)),
            id => (format!("{keys}{}", escaped(id)), None),
        };
        let statement = self.add("Key", reason, Some(only), actions, vec![of]);
        statement.condition = alias.map(|alias| {
            json!({ "ForAnyValue:StringEquals": { "kms:ResourceAliases": sub(&escaped(alias)) } })
        });
    }
}

/// The ARN of a secret, which may be named: it ends with six letters that the name does not tell.
fn of_secret(secret: &str, region: &str) -> String {
    match secret.starts_with("arn:") {
        true => escaped(secret),
        false => {
            let named = of_service("secretsmanager", region, &format!("secret:{secret}"));
            format!("{named}-??????")
        }
    }
}

/// The ARN of a service's resource in this account.
fn of_service(service: &str, region: &str, resource: &str) -> String {
    format!(
        "arn:${{AWS::Partition}}:{service}:{region}:${{AWS::AccountId}}:{}",
        escaped(resource)
    )
}

/// `late_orders` as `LateOrders`.
fn camel(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect()
}
