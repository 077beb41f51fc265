//! A server that is killed while clients write: what was acknowledged is there, and nothing is there half.
//!
//! The server is this test program, started once more: see [`child`].

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use transom_local::{Owner, owner_of};

use crate::server::client;

const KILLS: u32 = 20;
const KEYS: usize = 8;

/// The server that is killed: not a test.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the program that other tests start"]
async fn child() {
    let Ok(folder) = std::env::var("TRANSOM_TEST_FOLDER") else {
        return;
    };
    let _server = crate::server::start(Path::new(&folder)).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
}

/// A child that is killed when it is dropped.
pub(crate) struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        self.0.wait().unwrap();
    }
}

async fn start(folder: &Path) -> (Killed, Client) {
    let (child, owner) = spawn(folder).await;
    (child, client(&owner.endpoint))
}

/// Starts a server in a process of its own.
pub(crate) async fn spawn(folder: &Path) -> (Killed, Owner) {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["kills::child", "--exact", "--ignored", "--nocapture"])
        .env("TRANSOM_TEST_FOLDER", folder)
        .env_remove("TRANSOM_S3_ENDPOINT")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let number = child.id();
    let child = Killed(child);
    let begin = Instant::now();
    loop {
        match owner_of(&folder.join("data")).unwrap() {
            Some(owner) if owner.process == number => return (child, owner),
            _ => assert!(
                begin.elapsed() < Duration::from_secs(60),
                "the server does not start"
            ),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What may be read of a key: what was acknowledged last, or what was written since without an answer.
#[derive(Debug, Clone, Default)]
struct Allowed {
    acknowledged: Option<String>,
    unanswered: Vec<Option<String>>,
}

impl Allowed {
    fn settle(&mut self, found: Option<String>, key: &str) {
        let allowed = found == self.acknowledged || self.unanswered.contains(&found);
        let shown = found.as_ref().map(|text| &text[..text.len().min(20)]);
        assert!(allowed, "{key} holds {shown:?}, not {self:.200?}");
        *self = Self {
            acknowledged: found,
            unanswered: Vec::new(),
        };
    }
}

/// One object's text for a version: of many sizes, so that half of it would show.
fn text(key: usize, version: u32) -> String {
    let length = [1, 100, 70_000, 2_000_000][(key + version as usize) % 4];
    let line = format!("{key}.{version};");
    line.repeat(length / line.len() + 1)
}

/// Writes to one key until the server is gone.
async fn write(client: Client, key: usize, mut version: u32, mut allowed: Allowed) -> Allowed {
    let name = format!("dir/{key}");
    loop {
        version += 1;
        let body = text(key, version);
        let wanted = match version % 7 {
            0 => None,
            _ => Some(body.clone()),
        };
        allowed.unanswered.push(wanted.clone());
        let done = match version % 7 {
            0 => client
                .delete_object()
                .bucket("bucket")
                .key(&name)
                .send()
                .await
                .is_ok(),
            1 => upload(&client, &name, &body).await.is_some(),
            2 => copy(&client, &name, &body).await.is_some(),
            _ => {
                let put = client.put_object().bucket("bucket").key(&name);
                put.body(body.into_bytes().into()).send().await.is_ok()
            }
        };
        if !done {
            return allowed;
        }
        allowed = Allowed {
            acknowledged: wanted,
            unanswered: Vec::new(),
        };
    }
}

async fn upload(client: &Client, key: &str, body: &str) -> Option<()> {
    let create = client.create_multipart_upload().bucket("bucket").key(key);
    let id = create.send().await.ok()?.upload_id?;
    let part = client
        .upload_part()
        .bucket("bucket")
        .key(key)
        .upload_id(&id)
        .part_number(1);
    let part = part
        .body(body.as_bytes().to_vec().into())
        .send()
        .await
        .ok()?;
    let part = CompletedPart::builder()
        .part_number(1)
        .e_tag(part.e_tag()?)
        .build();
    let parts = CompletedMultipartUpload::builder().parts(part).build();
    let complete = client.complete_multipart_upload().bucket("bucket").key(key);
    complete
        .upload_id(id)
        .multipart_upload(parts)
        .send()
        .await
        .ok()?;
    Some(())
}

async fn copy(client: &Client, key: &str, body: &str) -> Option<()> {
    let staged = format!("staged/{key}");
    let put = client.put_object().bucket("bucket").key(&staged);
    put.body(body.as_bytes().to_vec().into())
        .send()
        .await
        .ok()?;
    let copy = client.copy_object().bucket("bucket").key(key);
    copy.copy_source(format!("bucket/{staged}"))
        .send()
        .await
        .ok()?;
    Some(())
}

async fn read(client: &Client, key: &str) -> Option<String> {
    match client.get_object().bucket("bucket").key(key).send().await {
        Ok(object) => {
            let bytes = object.body.collect().await.unwrap().to_vec();
            Some(String::from_utf8(bytes).unwrap())
        }
        Err(error) => {
            assert_eq!(crate::server::code(&error), "NoSuchKey", "{error:?}");
            None
        }
    }
}

async fn kill_many(kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut s3) = start(folder.path()).await;
    s3.create_bucket().bucket("bucket").send().await.unwrap();
    let mut all: BTreeMap<usize, Allowed> =
        (0..KEYS).map(|key| (key, Allowed::default())).collect();
    for kill in 0..kills {
        let mut writers = tokio::task::JoinSet::new();
        for (&key, allowed) in &all {
            let (client, allowed) = (s3.clone(), allowed.clone());
            writers.spawn(async move { (key, write(client, key, kill * 1000, allowed).await) });
        }
        // Every moment of a write is hit in time.
        tokio::time::sleep(Duration::from_millis(u64::from(kill * 37 % 211))).await;
        drop(server);
        while let Some(done) = writers.join_next().await {
            let (key, allowed) = done.unwrap();
            all.insert(key, allowed);
        }
        (server, s3) = start(folder.path()).await;
        for (key, allowed) in &mut all {
            let name = format!("dir/{key}");
            let found = read(&s3, &name).await;
            allowed.settle(found, &name);
        }
    }
    drop(server);
    // Each file that is left belongs to a record: the next start removes none.
    let (_server, s3) = start(folder.path()).await;
    let list = s3.list_objects_v2().bucket("bucket").send().await.unwrap();
    let uploads = s3
        .list_multipart_uploads()
        .bucket("bucket")
        .send()
        .await
        .unwrap();
    let mut parts = 0;
    for upload in uploads.uploads() {
        let list = s3.list_parts().bucket("bucket").key(upload.key().unwrap());
        let list = list
            .upload_id(upload.upload_id().unwrap())
            .send()
            .await
            .unwrap();
        parts += list.parts().len();
    }
    if uploads.is_truncated() != Some(true) {
        let files = std::fs::read_dir(folder.path().join("data/s3/data"))
            .unwrap()
            .count();
        assert_eq!(files, list.contents().len() + parts);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills() {
    kill_many(KILLS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: minutes"]
async fn what_was_acknowledged_survives_many_kills() {
    kill_many(crate::many().into()).await;
}
