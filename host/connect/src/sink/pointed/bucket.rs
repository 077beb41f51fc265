//! On S3: the pointer is an object, and a version is a list of objects, some of them in folders of earlier versions.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use transom_file::spec::S3Url;

use super::{Foreign, Table, VersionFile, VersionFiles, Written, list_of, own_files, text};
use crate::aws::{Bucket, S3Error};
use crate::lease;
use crate::pointer::Pointer;
use crate::sink::tree::{BucketTree, Tree, TreeError};

#[derive(Debug)]
pub(super) struct BucketTable {
    tree: Arc<dyn Tree>,
    table: S3Url,
    /// Where the table lies.
    above: S3Url,
    /// The name of the folder of versions.
    folder: String,
    bucket: Bucket,
}

impl BucketTable {
    pub(super) fn new(table: &S3Url, bucket: Bucket) -> Self {
        let (above, name) = match table.split() {
            Some((above, name)) => (above, name.to_owned()),
            None => (table.clone(), String::new()),
        };
        Self {
            tree: Arc::new(BucketTree::new(&above, bucket.clone())),
            table: table.clone(),
            above,
            folder: lease::versions_folder_name(&name),
            bucket,
        }
    }
}

#[async_trait]
impl Table for BucketTable {
    fn tree(&self) -> &Arc<dyn Tree> {
        &self.tree
    }

    async fn check_ours(&self) -> Result<(), Foreign> {
        let foreign = Pointer::foreign(&self.bucket, &self.table).await;
        if let Some(found) = foreign.map_err(TreeError::S3)? {
            return Err(Foreign::Found(found));
        }
        let pointer = Pointer::read(&self.bucket, &self.table).await;
        match pointer.map_err(TreeError::S3)? {
            Some((pointer, _)) if pointer.entry.is_none() => Err(Foreign::Found(
                "a table made by a run without a log".to_owned(),
            )),
            _ => Ok(()),
        }
    }

    async fn seal(&self, version: &str, written: &Written) -> Result<VersionFiles, TreeError> {
        let mut files = own_files(version, written);
        let prefix = self.tree_key(&format!("{version}/"));
        let listed = self.bucket.list(&prefix).await?;
        let etags: BTreeMap<&str, (&str, u64)> = listed
            .iter()
            .filter_map(|object| {
                let path = object.key.strip_prefix(&prefix)?;
                Some((path, (object.etag.as_str(), object.bytes)))
            })
            .collect();
        for file in &mut files.files {
            match etags.get(text(&file.path).as_str()) {
                Some((etag, bytes)) if *bytes == file.bytes => file.etag = Some((*etag).to_owned()),
                _ => {
                    let url = self.bucket.url(&format!("{prefix}{}", text(&file.path)));
                    let message = "it is not what was written just now";
                    return Err(S3Error::changed("publish", url, message).into());
                }
            }
        }
        Ok(files)
    }

    async fn carry(&self, _: &str, files: Vec<VersionFile>) -> Result<Vec<VersionFile>, TreeError> {
        Ok(files)
    }

    /// Readers find what is in the list alone.
    async fn leave_out(&self, _: &str, _: Vec<VersionFile>) -> Result<(), TreeError> {
        Ok(())
    }

    async fn again(&self, version: &str, earlier: &str) -> Result<(), TreeError> {
        let list = |version: &str| format!("{}/{}", self.folder, list_of(version));
        match self.tree.get(&list(earlier)).await? {
            Some(bytes) => self.tree.put(&list(version), bytes).await,
            None => {
                let url = self.bucket.url(&self.tree_key(&list_of(earlier)));
                let message = "the list of a version's files is gone".to_owned();
                Err(S3Error::other("read", url, message).into())
            }
        }
    }

    async fn entry(&self) -> Result<u64, TreeError> {
        let pointer = Pointer::read(&self.bucket, &self.table).await?;
        Ok(pointer.and_then(|(pointer, _)| pointer.entry).unwrap_or(0))
    }

    async fn point(
        &self,
        entry: u64,
        version: &str,
        files: &VersionFiles,
    ) -> Result<(), TreeError> {
        let pointer = Pointer::of_entry(entry, version, files);
        let key = Pointer::key(&self.table);
        Ok(self.bucket.put(&key, pointer.to_bytes()).await?)
    }
}

impl BucketTable {
    /// The key of what lies in the folder of versions.
    fn tree_key(&self, path: &str) -> String {
        self.above.join(&format!("{}/{path}", self.folder)).key
    }
}
