#!/usr/bin/env bash
# rgw.sh start DIR PORT MON_PORT | stop DIR
# An S3 server that checks signatures: Ceph's RADOS gateway on 127.0.0.1:PORT, over one monitor and one object daemon
# that keep everything in memory. S3_ACCESS_KEY and S3_SECRET_KEY are its user's. A start after a stop begins empty.
set -euo pipefail
. "$(dirname "$0")/process.sh"

usage() { echo "usage: S3_ACCESS_KEY=… S3_SECRET_KEY=… rgw.sh start DIR PORT MON_PORT | stop DIR" >&2; exit 2; }
[ $# -ge 2 ] || usage
verb=$1 DIR=$(absolute "$2")

# Nothing is kept, so nothing is worth a graceful end.
halt_all() {
  halt step
  for name in rgw osd mon; do halt "$name" KILL; done
}

configure() {
  cat >"$DIR/ceph.conf" <<CONF
[global]
fsid = $FSID
# Loopback only, and the S3 side checks its own signatures: no keys between the daemons.
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
mon_host = [v2:127.0.0.1:$MON_PORT/0]
mon_initial_members = a
ms_bind_msgr1 = false
ms_mon_client_mode = crc
run_dir = $DIR
crash_dir = $DIR
admin_socket =
log_file = $DIR/\$name.log
# One daemon holds the only copy, in one placement group a pool.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
# A start waits for several rounds between the monitor and itself: make them short.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
mon_data_avail_crit = 1
# What it missed, such as the making of a placement group, the monitor does at its next tick (by itself every 5 s).
mon_tick_interval = 1
[mon.a]
mon_data = $DIR/mon
[osd.0]
osd_data = $DIR/osd
osd_objectstore = memstore
memstore_device_bytes = ${RGW_MEMORY_BYTES:-4294967296}
[client.rgw]
rgw_data = $DIR/rgw
rgw_frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
rgw_rados_pool_pg_num_min = 1
rgw_run_sync_thread = false
rgw_enable_usage_log = false
rgw_thread_pool_size = 64
CONF
}

# once COMMAND…: a step of the preparation, quiet unless it fails or takes over 60 s. A `stop` meanwhile ends it too.
once() {
  timeout --foreground 60 "$@" >>"$DIR/setup.log" 2>&1 &
  echo $! >"$DIR/step.pid"
  if wait $!; then
    rm -f "$DIR/step.pid"
    return 0
  fi
  echo "Starting the S3 server: $1 failed" >&2
  tail -n 5 "$DIR/setup.log" >&2
  halt_all
  exit 1
}

case $verb in
stop)
  halt start
  halt_all
  ;;
start)
  [ $# -eq 4 ] || usage
  need radosgw radosgw-admin ceph-mon ceph-osd ceph monmaptool setsid timeout
  begin
  PORT=$3 MON_PORT=$4 ACCESS=${S3_ACCESS_KEY:?} SECRET=${S3_SECRET_KEY:?}
  ready() { [[ "$(ask "$PORT" 'GET / HTTP/1.0\r\n\r\n')" == HTTP/* ]]; }
  identity="$PORT $MON_PORT $ACCESS $SECRET"
  if alive mon && alive osd && alive rgw && [ "$(cat "$DIR/identity" 2>/dev/null)" = "$identity" ] && ready; then exit 0; fi
  halt_all
  rm -rf "${DIR:?}"/{mon,osd,rgw,monmap,identity} "$DIR"/*.log
  mkdir -p "$DIR"/{mon,osd,rgw}
  FSID=$(cat /proc/sys/kernel/random/uuid) OSD=$(cat /proc/sys/kernel/random/uuid)
  conf=(-c "$DIR/ceph.conf")
  export CEPH_ARGS=
  configure
  once monmaptool --create --clobber --fsid "$FSID" --addv a "[v2:127.0.0.1:$MON_PORT]" "$DIR/monmap"
  once ceph-mon "${conf[@]}" --mkfs -i a --monmap "$DIR/monmap"
  launch mon ceph-mon -f "${conf[@]}" -i a
  once ceph "${conf[@]}" --connect-timeout 20 osd new "$OSD" 0
  once ceph-osd "${conf[@]}" -i 0 --mkfs --osd-uuid "$OSD"
  launch osd ceph-osd -f "${conf[@]}" -i 0
  once radosgw-admin "${conf[@]}" --name client.rgw user create --uid=sunduk --display-name=sunduk \
    --access-key="$ACCESS" --secret="$SECRET"
  launch rgw radosgw -f "${conf[@]}" --name client.rgw
  wait_for rgw ready || { halt_all; exit 1; }
  printf '%s\n' "$identity" >"$DIR/identity"
  ;;
*) usage ;;
esac
