#!/usr/bin/env bash
# redis.sh start DIR PORT [REDIS OPTION…] | stop DIR
# redis-server on 127.0.0.1 as production runs it (noeviction, appendonly everysec), everything in DIR.
# Options come last and win: `redis.sh start DIR 6400 --maxmemory 4mb --maxmemory-policy allkeys-lru`.
set -euo pipefail
. "$(dirname "$0")/process.sh"

usage() { echo "usage: redis.sh start DIR PORT [REDIS OPTION…] | stop DIR" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1 DIR=$(absolute "$2")
shift 2

case $verb in
stop)
  halt start
  halt redis
  ;;
start)
  [ $# -ge 1 ] || usage
  need redis-server setsid
  begin
  PORT=$1
  shift
  # --set-proc-title no: the command line goes on naming DIR, by which we know the process again.
  command=(redis-server --bind 127.0.0.1 --port "$PORT" --dir "$DIR" --daemonize no --set-proc-title no --save ""
    --appendonly yes --appendfsync everysec --maxmemory-policy noeviction "$@")
  ready() { [ "$(ask "$PORT" 'PING\r\n')" = "+PONG" ]; }
  if alive redis && [ "$(cat "$DIR/command" 2>/dev/null)" = "${command[*]}" ] && ready; then exit 0; fi
  halt redis
  printf '%s\n' "${command[*]}" >"$DIR/command"
  launch redis "${command[@]}"
  wait_for redis ready || { halt redis; exit 1; }
  ;;
*) usage ;;
esac
