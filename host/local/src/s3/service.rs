//! The operations that s3s decodes, each handed to where it is carried out. What is missing here, s3s answers with
//! `NotImplemented`.

use std::sync::Arc;

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};

use super::store::Store;
use crate::access::AccessLog;

/// S3 over a store.
#[derive(Debug, Clone)]
pub(crate) struct LocalS3 {
    pub(super) store: Arc<Store>,
    pub(super) access: AccessLog,
    /// Of buckets that are created without one.
    pub(super) region: String,
}

impl LocalS3 {
    /// Logs a request; its operation is called as its input is.
    fn log<T>(&self, input: &str, request: &S3Request<T>) {
        let operation = input.strip_suffix("Input").unwrap_or(input);
        self.access.of_s3(operation, &request.uri, &request.headers);
    }
}

/// `async_trait` has to see the whole block, so the block is what is made.
macro_rules! operations {
    (
        of_input { $($input_operation:ident: $input:ty => $input_output:ty, $of_input:ident;)* }
        of_request { $($request_operation:ident: $request:ty => $request_output:ty, $of_request:ident;)* }
        to_response { $($response_operation:ident: $response_input:ty => $response:ty, $to_response:ident;)* }
    ) => {
        #[async_trait::async_trait]
        impl S3 for LocalS3 {
            $(
                async fn $input_operation(
                    &self,
                    request: S3Request<$input>,
                ) -> S3Result<S3Response<$input_output>> {
                    self.log(stringify!($input), &request);
                    self.$of_input(request.input).await.map(S3Response::new)
                }
            )*
            $(
                async fn $request_operation(
                    &self,
                    request: S3Request<$request>,
                ) -> S3Result<S3Response<$request_output>> {
                    self.log(stringify!($request), &request);
                    self.$of_request(request).await.map(S3Response::new)
                }
            )*
            $(
                async fn $response_operation(
                    &self,
                    request: S3Request<$response_input>,
                ) -> S3Result<S3Response<$response>> {
                    self.log(stringify!($response_input), &request);
                    self.$to_response(request.input).await
                }
            )*
        }
    };
}

operations! {
    of_input {
        list_buckets: ListBucketsInput => ListBucketsOutput, buckets;
        create_bucket: CreateBucketInput => CreateBucketOutput, create;
        head_bucket: HeadBucketInput => HeadBucketOutput, head_of_bucket;
        delete_bucket: DeleteBucketInput => DeleteBucketOutput, delete_empty_bucket;
        get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput, location;
        get_bucket_versioning: GetBucketVersioningInput => GetBucketVersioningOutput, versioning;
        put_bucket_lifecycle_configuration:
            PutBucketLifecycleConfigurationInput => PutBucketLifecycleConfigurationOutput, put_lifecycle;
        get_bucket_lifecycle_configuration:
            GetBucketLifecycleConfigurationInput => GetBucketLifecycleConfigurationOutput, lifecycle;
        delete_bucket_lifecycle: DeleteBucketLifecycleInput => DeleteBucketLifecycleOutput, delete_lifecycle;
        list_objects: ListObjectsInput => ListObjectsOutput, list_v1;
        list_objects_v2: ListObjectsV2Input => ListObjectsV2Output, list_v2;
        delete_object: DeleteObjectInput => DeleteObjectOutput, delete_one;
        delete_objects: DeleteObjectsInput => DeleteObjectsOutput, delete_several;
        get_object_attributes: GetObjectAttributesInput => GetObjectAttributesOutput, attributes;
        put_object_tagging: PutObjectTaggingInput => PutObjectTaggingOutput, put_tags;
        get_object_tagging: GetObjectTaggingInput => GetObjectTaggingOutput, tags;
        delete_object_tagging: DeleteObjectTaggingInput => DeleteObjectTaggingOutput, delete_tags;
        create_multipart_upload: CreateMultipartUploadInput => CreateMultipartUploadOutput, create_upload;
        upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput, copy_part;
        complete_multipart_upload:
            CompleteMultipartUploadInput => CompleteMultipartUploadOutput, complete_upload;
        abort_multipart_upload: AbortMultipartUploadInput => AbortMultipartUploadOutput, abort_upload;
        list_parts: ListPartsInput => ListPartsOutput, parts;
        list_multipart_uploads: ListMultipartUploadsInput => ListMultipartUploadsOutput, uploads;
    }
    of_request {
        put_object: PutObjectInput => PutObjectOutput, put;
        copy_object: CopyObjectInput => CopyObjectOutput, copy;
        upload_part: UploadPartInput => UploadPartOutput, put_part;
    }
    to_response {
        post_object: PostObjectInput => PostObjectOutput, post;
        get_object: GetObjectInput => GetObjectOutput, get;
        head_object: HeadObjectInput => HeadObjectOutput, head;
    }
}
