#!/usr/bin/env bash
# nginx.sh start DIR PORT STORAGE_PORT API_PORT… | stop DIR
# The production gateway (gateway/nginx.conf) on 127.0.0.1:PORT, in front of API processes and of storage on loopback.
# S3_BUCKET names the bucket (default sunduk), AUTH_RATE the sign-in limit; with TLS_CERTIFICATE, TLS_KEY, TLS_LISTEN and
# PUBLIC_URL it serves TLS too. `nginx.sh render DIR …` writes and tests only.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/process.sh"

usage() { echo "usage: nginx.sh start|render DIR PORT STORAGE_PORT API_PORT… | stop DIR" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1 DIR=$(absolute "$2")

# render FILE NAME…: replaces every ${NAME} of the template by its value, as the nginx image does with envsubst.
render() {
  local text name value file=$1
  shift
  text=$(cat "$here/../../gateway/$file")
  for name in "$@"; do
    value=${!name}
    text=${text//"\${$name}"/"$value"}
  done
  printf '%s\n' "$text" >"$DIR/$file"
}

case $verb in
stop)
  halt start
  halt nginx
  ;;
start | render)
  [ $# -ge 5 ] || usage
  need nginx setsid
  begin
  PORT=$3 LISTEN=127.0.0.1:$3 STORAGE_SERVERS="server 127.0.0.1:$4;" API_SERVERS=
  S3_BUCKET=${S3_BUCKET:-sunduk} AUTH_RATE=${AUTH_RATE:-10r/s} NAMESERVER=127.0.0.1
  shift 4
  for port in "$@"; do API_SERVERS="$API_SERVERS server 127.0.0.1:$port max_fails=2 fail_timeout=1s;"; done
  ready() { [[ "$(ask "$PORT" 'GET /gateway HTTP/1.0\r\n\r\n')" == *" 204 "* ]]; }
  before=$(cat "$DIR/nginx.conf" 2>/dev/null || true)
  render nginx.conf LISTEN API_SERVERS STORAGE_SERVERS S3_BUCKET AUTH_RATE NAMESERVER
  rm -f "$DIR/tls.conf"
  if [ -n "${TLS_CERTIFICATE:-}" ]; then render tls.conf TLS_LISTEN TLS_CERTIFICATE TLS_KEY PUBLIC_URL; fi
  nginx=(nginx -p "$DIR/" -c "$DIR/nginx.conf" -e stderr)
  # As root, nginx would hand its work to another user, who cannot look into DIR.
  extra="daemon off;"
  if [ "$(id -u)" = 0 ]; then extra="$extra user root;"; fi
  # Its standard output is the access log, which has to be a file or a pipe here.
  "${nginx[@]}" -g "$extra" -t -q >>"$DIR/nginx.out" || exit 1
  if [ "$verb" = render ]; then exit 0; fi
  if alive nginx && [ "$before" = "$(cat "$DIR/nginx.conf")" ] && ready; then exit 0; fi
  halt nginx
  launch nginx "${nginx[@]}" -g "$extra"
  wait_for nginx ready || { halt nginx; exit 1; }
  ;;
*) usage ;;
esac
