#!/usr/bin/env bash
# guard.sh SCRIPT DIR: stops what SCRIPT started in DIR as soon as our standard input ends, which it does however our
# owner ends, kill -9 included. A Ctrl-C is the owner's to handle.
set -u
trap '' INT TERM HUP
cat >/dev/null
exec "$1" stop "$2"
