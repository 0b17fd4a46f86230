#!/bin/bash
# LocalStack runs this once it is ready (a ready.d hook): makes the bucket of the tests.
set -euo pipefail
awslocal s3api create-bucket --bucket moraine
