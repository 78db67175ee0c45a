# Plain processes in a folder, for the service scripts beside this file (sourced by them, bash).
# Each process NAME leaves DIR/NAME.pid, DIR/NAME.out and DIR/NAME.err. DIR is set by the caller.

# The command line of a process, "" when there is none (or only a zombie that nobody has reaped).
command_of() {
  if [ -d /proc/self ]; then tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" || true
  else ps -ww -o args= -p "$1" 2>/dev/null || true
  fi
}

# Is the process of this name alive, and ours? A pid may have been given to a stranger since the file was written:
# each command line therefore names DIR.
alive() {
  local pid
  pid=$(cat "$DIR/$1.pid" 2>/dev/null) && [ -n "$pid" ] || return 1
  case "$(command_of "$pid")" in *"$DIR"*) return 0 ;; *) return 1 ;; esac
}

# launch NAME COMMAND…: starts it in a session of its own, so that a Ctrl-C in the terminal reaches only its owner.
launch() {
  local name=$1
  shift
  setsid nohup "$@" >>"$DIR/$name.out" 2>>"$DIR/$name.err" </dev/null &
  echo $! >"$DIR/$name.pid"
}

# halt NAME [SIGNAL]: ends it if it is ours, by force after 5 s.
halt() {
  local pid
  if alive "$1"; then
    pid=$(cat "$DIR/$1.pid")
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
      alive "$1" || break
      sleep 0.05
    done
    # By force, its children too: what `launch` started leads a group.
    if alive "$1"; then kill -KILL -- "-$pid" 2>/dev/null || kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$DIR/$1.pid"
}

# Each `start` begins with this: it takes the place of a start of the same DIR that still runs, and a `stop` finds it.
begin() {
  halt start
  echo $$ >"$DIR/start.pid"
  trap 'rm -f "$DIR/start.pid"' EXIT
}

# ask PORT REQUEST: the first line that 127.0.0.1:PORT answers, "" when nobody does within 2 s.
ask() {
  (
    exec 2>/dev/null 3<>"/dev/tcp/127.0.0.1/$1" || exit 0
    printf '%b' "$2" >&3
    IFS= read -r -t 2 line <&3
    printf '%s' "${line%$'\r'}"
  ) 2>/dev/null || true
}

# wait_for NAME FUNCTION: until FUNCTION holds; fails with the process's last words when it has died or 60 s are over.
wait_for() {
  for _ in $(seq 1200); do
    if "$2"; then return 0; fi
    # While it becomes another program a process has no command line for a moment.
    alive "$1" || { sleep 0.2 && alive "$1"; } || break
    sleep 0.05
  done
  echo "Starting $1: it $(alive "$1" && echo "does not answer" || echo "has ended")" >&2
  tail -n 5 "$DIR/$1.err" "$DIR/$1.out" >&2
  return 1
}

# need COMMAND…: says which of them this machine lacks.
need() {
  local missing=()
  for command in "$@"; do command -v "$command" >/dev/null || missing+=("$command"); done
  [ ${#missing[@]} -eq 0 ] && return 0
  echo "Starting a test service: ${missing[*]} not found, install it (see .ci/run)" >&2
  return 1
}

# absolute DIR: made, readable by its owner only, as an absolute path.
absolute() { mkdir -p "$1" && chmod 700 "$1" && (cd "$1" && pwd -P); }

# Debian keeps some daemons out of an ordinary user's PATH.
PATH=$PATH:/usr/sbin:/sbin
