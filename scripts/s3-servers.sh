#!/bin/bash
# S3 servers for the tests in test/s3 without Docker, on loopback.
#   scripts/s3-servers.sh install   builds MinIO (Go 1.24 or newer) and installs LocalStack (Python 3.13)
#   scripts/s3-servers.sh start     installs what is missing, starts both, makes their buckets, prints variables to export
#   scripts/s3-servers.sh stop      stops, by pid, what start started
# Everything is kept in MORAINE_S3_DIR, a folder under the temporary directory. MINIO_PORT (9000) and LOCALSTACK_PORT (4566).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${MORAINE_S3_DIR:-${TMPDIR:-/tmp}/moraine-s3}
minio_port=${MINIO_PORT:-9000}
localstack_port=${LOCALSTACK_PORT:-4566}
minio_version=v0.0.0-20260212201848-7aac2a2c5b7c
localstack_version=4.14.0

install_minio() {
  [ -x "$dir/bin/minio" ] && return
  mkdir -p "$dir/bin"
  echo "Building MinIO, which takes some minutes" >&2
  GOBIN="$dir/bin.new" nice -n 10 go install "github.com/minio/minio@$minio_version" >&2
  mv "$dir/bin.new/minio" "$dir/bin/minio"
}

# LocalStack says that it runs on Python 3.10, but its S3 needs syntax of 3.12 and modules of 3.13.
find_python() {
  local python
  for python in python3.13 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.13*/bin/python3; do
    if "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' 2> /dev/null; then
      echo "$python"
      return
    fi
  done
  echo "LocalStack $localstack_version needs Python 3.13, which was not found" >&2
  return 1
}

install_localstack() {
  [ -e "$dir/venv/.complete" ] && return
  local python
  python=$(find_python)
  mkdir -p "$dir"
  rm -rf "$dir/venv"
  echo "Installing LocalStack" >&2
  "$python" -m venv "$dir/venv"
  # LocalStack's own requirements have no upper bounds, and newer releases of these have dropped what it uses.
  "$dir/venv/bin/pip" install -q --disable-pip-version-check "localstack-core[runtime]==$localstack_version" \
    'cbor2<5.9' 'pyOpenSSL<26' service_identity >&2
  touch "$dir/venv/.complete"
}

start() {
  export AWS_ACCESS_KEY_ID=${AWS_ACCESS_KEY_ID:-moraine} AWS_SECRET_ACCESS_KEY=${AWS_SECRET_ACCESS_KEY:-moraine-secret}
  mkdir -p "$dir/home"
  rm -rf "$dir/data"
  mkdir -p "$dir/data"
  MINIO_ROOT_USER=$AWS_ACCESS_KEY_ID MINIO_ROOT_PASSWORD=$AWS_SECRET_ACCESS_KEY \
    setsid "$dir/bin/minio" server --address "127.0.0.1:$minio_port" --console-address 127.0.0.1:0 "$dir/data" \
    > "$dir/minio.log" 2>&1 < /dev/null &
  echo $! > "$dir/minio.pid"
  # Without DEBUG, telemetry, a DNS server, or a download of certificates.
  HOME=$dir/home FILESYSTEM_ROOT=$dir/home SERVICES=s3 GATEWAY_LISTEN=127.0.0.1:$localstack_port \
    DISABLE_EVENTS=1 SKIP_SSL_CERT_DOWNLOAD=1 DNS_ADDRESS=0 \
    setsid "$dir/venv/bin/python" -m localstack.runtime.main > "$dir/localstack.log" 2>&1 < /dev/null &
  echo $! > "$dir/localstack.pid"
  local name url port
  for name in minio localstack; do
    port=${name}_port
    url=http://127.0.0.1:${!port}
    if ! node --no-warnings "$here/make-bucket.mjs" "$url" moraine >&2; then
      tail -n 20 "$dir/$name.log" >&2
      return 1
    fi
  done
  echo "export AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY"
  echo "export MORAINE_TEST_S3='s3://moraine?endpoint=http://127.0.0.1:$minio_port,s3://moraine?endpoint=http://127.0.0.1:$localstack_port'"
}

stop_one() {
  local pid
  [ -f "$dir/$1.pid" ] || return 0
  pid=$(cat "$dir/$1.pid")
  rm -f "$dir/$1.pid"
  # A pid may have been given to another process since.
  tr '\0' ' ' < "/proc/$pid/cmdline" 2> /dev/null | grep -q "$dir" || return 0
  kill -TERM "$pid" 2> /dev/null || return 0
  for _ in $(seq 50); do
    kill -0 "$pid" 2> /dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid" 2> /dev/null || true
}

case ${1:-} in
install)
  install_minio
  install_localstack
  ;;
start)
  install_minio
  install_localstack
  start
  ;;
stop)
  stop_one minio
  stop_one localstack
  ;;
*)
  sed -n 2,6p "$0"
  exit 2
  ;;
esac
