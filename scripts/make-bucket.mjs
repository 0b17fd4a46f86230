// node make-bucket.mjs ENDPOINT BUCKET: waits until the S3 server answers, and makes the bucket unless it is there.
// Credentials come from the AWS variables. WAIT_S (default 60) bounds the wait, in seconds.
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";

const [endpoint, Bucket] = process.argv.slice(2);
if (!endpoint || !Bucket) {
  console.error("usage: node scripts/make-bucket.mjs ENDPOINT BUCKET");
  process.exit(2);
}
const client = new S3Client({
  endpoint,
  region: process.env.AWS_REGION || "us-east-1",
  forcePathStyle: true,
  maxAttempts: 1,
  requestChecksumCalculation: "WHEN_REQUIRED",
  requestHandler: { connectionTimeout: 2_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
});
const deadline = Date.now() + Number(process.env.WAIT_S || 60) * 1_000;
for (;;) {
  try {
    await client.send(new CreateBucketCommand({ Bucket }));
    break;
  } catch (error) {
    if (/^Bucket(AlreadyOwnedByYou|AlreadyExists)$/.test(error.name)) break;
    if (Date.now() > deadline) {
      console.error(`${endpoint}: no bucket "${Bucket}": ${error.name}: ${error.message}`);
      process.exit(1);
    }
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
console.log(`${endpoint}: bucket "${Bucket}" is there`);
